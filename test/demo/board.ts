/** How the demo shows its progress: a live table on a terminal, plain lines elsewhere. */
import type { WriteStream } from 'node:tty'
import { stripVTControlCharacters, styleText } from 'node:util'
import { conditionOf, type Live } from '../tools/watch.ts'

/** The step that did not hold. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed'
  readonly step: string
  constructor(step: string, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.step = step
  }
}

type Look = 'green' | 'yellow' | 'red' | 'dim' | 'bold' | 'cyan'

interface Row {
  readonly name: string
  readonly state: 'ready' | 'working' | 'failed'
  readonly message: string
}

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

export class Board implements Disposable {
  readonly #out: WriteStream
  readonly #rows = new Map<string, Row>()
  #step: { readonly title: string; readonly startedAt: number } | undefined
  #drawnLines = 0
  #frame = 0
  #timer: NodeJS.Timeout | undefined

  constructor(out: WriteStream) {
    this.#out = out
    if (out.isTTY) this.#timer = setInterval(() => this.#step && this.#draw(), 100)
  }

  /** Runs one step of the story and says how it ended and how long it took. @throws StepFailed */
  async step<T>(title: string, run: () => Promise<T>): Promise<T> {
    this.#step = { title, startedAt: performance.now() }
    if (!this.#out.isTTY) this.say(`${this.#look('cyan', '▶')} ${title}`)
    try {
      const result = await run()
      this.#endStep(this.#look('green', '✓'))
      return result
    } catch (error) {
      this.#endStep(this.#look('red', '✗'))
      throw new StepFailed(title, error)
    }
  }

  /** A line that stays. */
  say(line: string): void {
    this.#clear()
    this.#out.write(`${line}\n`)
    this.#draw()
  }

  /** What somebody did or saw within a step. */
  note(line: string): void {
    this.say(this.#look('dim', `    ${line}`))
  }

  /** Takes an object's state into the table. */
  show(object: Live): void {
    const row = rowOf(object)
    const key = row.name
    const before = this.#rows.get(key)
    this.#rows.set(key, row)
    if (this.#out.isTTY) this.#draw()
    else if (before?.state !== row.state || before.message !== row.message) this.say(`    ${this.#line(row, 0)}`)
  }

  remove(object: Live): void {
    const { name } = rowOf(object)
    this.#rows.delete(name)
    if (this.#out.isTTY) this.#draw()
    else this.say(`    - ${name} is gone`)
  }

  emphasis(text: string): string {
    return this.#look('bold', text)
  }

  /** Leaves the table as it is. */
  [Symbol.dispose](): void {
    this.#draw()
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#drawnLines = 0
  }

  #endStep(mark: string): void {
    if (!this.#step) return
    const { title, startedAt } = this.#step
    this.#step = undefined
    this.say(`${mark} ${title} ${this.#look('dim', seconds(performance.now() - startedAt))}`)
  }

  #draw(): void {
    if (!this.#timer) return
    const lines = [...this.#rows.values()].map((row) => `    ${this.#line(row, 4)}`)
    if (this.#step) {
      const elapsed = this.#look('dim', seconds(performance.now() - this.#step.startedAt))
      lines.unshift(`${this.#look('cyan', frames[this.#frame++ % frames.length] ?? '')} ${this.#step.title} ${elapsed}`)
    }
    this.#clear()
    this.#out.write(lines.map((line) => `${line}\n`).join(''))
    this.#drawnLines = lines.length
  }

  #clear(): void {
    if (this.#drawnLines > 0) this.#out.write(`\x1b[${this.#drawnLines}A\x1b[J`)
    this.#drawnLines = 0
  }

  /** One row of the table, cut to the terminal's width. */
  #line({ name, state, message }: Row, indent: number): string {
    const mark = { ready: this.#look('green', '●'), working: this.#look('yellow', '◌'), failed: this.#look('red', '✗') }[state]
    const width = this.#out.isTTY ? Math.max(40, this.#out.columns) - indent - 38 : 200
    const text = message.length > width ? `${message.slice(0, width - 1)}…` : message
    return `${mark} ${name.padEnd(34)} ${this.#look('dim', text)}`
  }

  #look(look: Look, text: string): string {
    const styled = styleText(look, text, { stream: this.#out })
    return this.#out.isTTY ? styled : stripVTControlCharacters(styled)
  }
}

/** Not ready, but nothing is wrong yet: what is waited for comes, or an error with another reason follows. */
const waitingReasons: ReadonlySet<string> = new Set(['DependencyNotReady', 'ArtifactFailed'])

function rowOf(object: Live): Row {
  const name = `${object.kind.toLowerCase()}/${object.metadata.name}`
  const ready = conditionOf(object, 'Ready')
  if (object.metadata.deletionTimestamp) return { name, state: 'working', message: 'being deleted' }
  if (!ready) return { name, state: 'working', message: 'new' }
  const isWaiting = conditionOf(object, 'Reconciling') !== undefined || waitingReasons.has(ready.reason)
  const state = ready.status === 'True' ? 'ready' : ready.status === 'False' && !isWaiting ? 'failed' : 'working'
  return { name, state, message: ready.message.replaceAll(/\s+/g, ' ') }
}

/** `1.2 s`. */
export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(milliseconds < 1000 ? 2 : 1)} s`
}
