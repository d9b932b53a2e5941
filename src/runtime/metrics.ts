/** All metrics, declared once. */

export interface Metrics {
  /** Prometheus text format. */
  text(): Promise<string>
}
