/** The last lines that an action logged: what an event about its failure ends with. Source: internal/action/log.go. */
import type { Clock } from '../kube/applier.ts'
import { type Logger, redactText } from '../runtime/log.ts'

interface Line {
  readonly text: string
  readonly firstMs: number
  lastMs: number
  repetitions: number
}

const mostLines = 10

export class LogTail {
  readonly #clock: Clock
  readonly #lines: Line[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A logger that writes to another one, and whose lines are kept. */
  over(log: Logger): Logger {
    const kept = (level: 'debug' | 'info' | 'warn' | 'error') => (fields: object, message: string) => {
      this.#keep(lineOf(fields, message))
      log[level](fields, message)
    }
    const child = (fields: object) => this.over(log.child(fields))
    return { debug: kept('debug'), info: kept('info'), warn: kept('warn'), error: kept('error'), child }
  }

  /** Empty when nothing was logged. */
  get text(): string {
    return this.#lines.map(printed).join('\n')
  }

  #keep(text: string): void {
    const now = this.#clock.now()
    const last = this.#lines.at(-1)
    if (last?.text === text) {
      last.repetitions++
      last.lastMs = now
      return
    }
    this.#lines.push({ text, firstMs: now, lastMs: now, repetitions: 0 })
    if (this.#lines.length > mostLines) this.#lines.shift()
  }
}

function lineOf(fields: object, message: string): string {
  const details = Object.entries(fields).filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value))
  return redactText([message, ...details.map(([key, value]) => `${key}=${value}`)].join(' '))
}

function printed({ text, firstMs, lastMs, repetitions }: Line): string {
  const first = `${new Date(firstMs).toISOString()}: ${text}`
  if (repetitions === 0) return first
  const omitted = repetitions - 1
  const note = omitted === 0 ? '' : ` (${omitted} duplicate line${omitted > 1 ? 's' : ''} omitted)`
  return `${first}\n${new Date(lastMs).toISOString()}: ${text}${note}`
}
