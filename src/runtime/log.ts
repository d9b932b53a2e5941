/** Structured logs to standard error, in the form that the `flux` CLI reads. Source of keys and forms: Flux's logger (zap). */
import { type DestinationStream, destination, type Logger as Pino, pino } from 'pino'
import { messageOf } from '../lib/errors.ts'

/** Fields first, then a constant message, as in pino. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(fields: object): Logger
}

export interface LogOptions {
  /** trace, debug, info or error. */
  readonly level: string
  readonly encoding: 'json' | 'console'
}

/** The process's logger, which owns its destination. */
export interface RootLogger extends Logger {
  /** Writes what is still buffered, synchronously: call before the process ends. */
  flush(): void
}

/**
 * A logger on standard error, or on the stream given. A field `error` may be an Error: its message is logged, and at levels debug and
 * trace its stack as `stacktrace`. Secrets are taken out of every field.
 */
export function createLogger(options: LogOptions, stream?: DestinationStream): RootLogger {
  const stderr = stream ? undefined : destination({ fd: 2, sync: false })
  const raw: DestinationStream = stream ?? (stderr as DestinationStream)
  const withStack = options.level === 'debug' || options.level === 'trace'
  const log: Pino = pino(
    {
      level: options.level,
      base: null,
      messageKey: 'msg',
      timestamp: () => `,"ts":"${new Date().toISOString()}"`,
      formatters: {
        // Flux knows no warnings: `flux logs --level` would never show them.
        level: (label) => ({ level: label === 'warn' ? 'info' : label }),
        log: (fields) => redact(withError(fields, withStack)) as Record<string, unknown>,
      },
    },
    options.encoding === 'console' ? { write: (line) => raw.write(consoleLine(line)) } : raw,
  )
  const flush = () => stderr?.flushSync()
  if (stderr) process.once('exit', flush)
  return { ...logger(log), flush }
}

function logger(log: Pino): Logger {
  return {
    debug: (fields, message) => log.debug(fields, redactText(message)),
    info: (fields, message) => log.info(fields, redactText(message)),
    warn: (fields, message) => log.warn(fields, redactText(message)),
    error: (fields, message) => log.error(fields, redactText(message)),
    child: (fields) => logger(log.child(redact(fields) as Record<string, unknown>)),
  }
}

function withError(fields: Record<string, unknown>, withStack: boolean): Record<string, unknown> {
  const { error } = fields
  if (!(error instanceof Error)) return fields
  return { ...fields, error: messageOf(error), ...(withStack && { stacktrace: error.stack }) }
}

/** As zap's console encoder: time, level in capitals, message, and the rest as JSON, separated by tabs. */
function consoleLine(line: string): string {
  const { level, ts, msg, ...rest } = JSON.parse(line) as Record<string, unknown>
  const fields = Object.keys(rest).length > 0 ? `\t${JSON.stringify(rest)}` : ''
  return `${ts}\t${String(level).toUpperCase()}\t${msg}${fields}\n`
}

const redacted = '[redacted]'
const secretKeys =
  /^(proxy-)?authorization$|^(password|passwd|bearer_?token|token|api_?key|private_?key|identity|client_?secret|cookie|set-cookie)$/i
const deepest = 8
const mostEntries = 1000

/** A copy of a value without what must not be shown: credentials by key, the data of Secrets, user information in URLs. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value)
  if (typeof value === 'bigint') return value.toString()
  if (value === null || typeof value !== 'object') return value
  if (value instanceof Error) return redactText(value.message)
  if (depth >= deepest) return '[too deep]'
  if (Array.isArray(value)) return value.slice(0, mostEntries).map((item) => redact(item, depth + 1))
  const isSecret = 'kind' in value && value.kind === 'Secret'
  const entries = Object.entries(value)
    .slice(0, mostEntries)
    .map(([key, item]) => {
      const hide = secretKeys.test(key) || (isSecret && (key === 'data' || key === 'stringData'))
      return [key, hide ? redacted : redact(item, depth + 1)]
    })
  return Object.fromEntries(entries)
}

/** A text without user information in URLs and without the credentials of an Authorization header. */
export function redactText(text: string): string {
  return text
    .replace(/\b([a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/?#@"']{1,1024}@/gi, `$1${redacted}@`)
    .replace(/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}/g, `$1 ${redacted}`)
}
