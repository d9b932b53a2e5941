/** Structured logs to standard error, in the form that the `flux` CLI reads. */

/** Fields first, then a constant message, as in pino. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(fields: object): Logger
}
