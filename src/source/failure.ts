/** What goes wrong with charts in a worker, in a form that survives the way back. */
import type { SourceContext } from './stored.ts'
import { type FailureCondition, failed, stalled } from './stored.ts'

/** How each reason is introduced, and which condition tells it. Source: internal/helm/chart/errors.go, observeChartBuild. */
const reasons = {
  InvalidChartReference: { summary: 'invalid chart reference', condition: 'FetchFailed', persistent: true },
  ChartPullError: { summary: 'chart pull error', condition: 'FetchFailed', persistent: false },
  MetadataPatchError: { summary: 'chart metadata patch error', condition: 'BuildFailed', persistent: true },
  ValuesFilesError: { summary: 'values files merge error', condition: 'BuildFailed', persistent: true },
  DependencyBuildError: { summary: 'dependency build error', condition: 'BuildFailed', persistent: false },
  Unknown: { summary: 'unknown build error', condition: 'FetchFailed', persistent: false },
  ChartPackageError: { summary: 'chart package error', condition: 'BuildFailed', persistent: false },
} as const satisfies Record<string, { summary: string; condition: FailureCondition; persistent: boolean }>

export type ChartFault = keyof typeof reasons

/** A chart that could not be found, pulled or packed. */
export class ChartError extends Error {
  override readonly name = 'ChartError'
  readonly fault: ChartFault
  /** The repository did not accept who we are, or we did not accept its certificate. */
  readonly refused: boolean
  constructor(fault: ChartFault, message: string, options: ErrorOptions & { refused?: boolean } = {}) {
    super(`${reasons[fault].summary}: ${message}`, options)
    this.fault = fault
    this.refused = options.refused ?? false
  }
}

/** Also true for an error that came from a worker thread, where its class is lost. */
export function isChartError(error: unknown): error is ChartError {
  return error instanceof Error && error.name === 'ChartError' && 'fault' in error
}

/** The run that ends with this error; its condition replaces the one of an earlier failure. */
export function chartFailure(error: ChartError, context: SourceContext): Error {
  const { condition, persistent } = reasons[error.fault]
  if (error.refused) {
    const message = `failed to authenticate with the Helm repository: ${error.message}`
    return failed('FetchFailed', 'AuthenticationFailed', message, { context, cause: error })
  }
  context.condition(condition === 'BuildFailed' ? 'FetchFailed' : 'BuildFailed', undefined)
  return (persistent ? stalled : failed)(condition, error.fault, error.message, { context, cause: error })
}
