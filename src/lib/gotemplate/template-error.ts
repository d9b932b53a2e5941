/** The errors of parsing and executing templates, in Go's words. */

import { LimitError } from './environment.ts'

/**
 * A template that does not parse, or whose execution failed. The message is Go's: `template: name:line: …` of the parser,
 * `template: name:line:column: executing "x" at <…>: …` of the executor. `cause` is what a function threw, where one did.
 */
export class TemplateError extends Error {
  override readonly name = 'TemplateError'
  /** `parse`; `execute` for an error at a place of a template (Go's ExecError); `lookup` when there is no such template. */
  readonly phase: 'parse' | 'execute' | 'lookup'
  constructor(phase: 'parse' | 'execute' | 'lookup', message: string, options?: ErrorOptions) {
    super(message, options)
    this.phase = phase
  }
}

/**
 * Whether an error says that JavaScript's stack is used up: it can come out of any call, as a SyntaxError where the call was the first use
 * of a regular expression, and as the cause of a LimitError where a function has noticed.
 */
export function isStackOverflow(thrown: unknown): boolean {
  if (thrown instanceof RangeError) return thrown.message.startsWith('Maximum call stack')
  if (thrown instanceof LimitError) return isStackOverflow(thrown.cause)
  return thrown instanceof SyntaxError && thrown.message.endsWith('Stack overflow')
}
