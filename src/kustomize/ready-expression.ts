/** `dependsOn[].readyExpr`, as a task of the worker pool: a runaway expression is ended with its thread. */
import { compileCondition } from '../lib/cel/index.ts'
import { messageOf } from '../lib/errors.ts'
import type { Task } from '../runtime/workers.ts'

export interface ReadyInput {
  readonly expression: string
  /** The object that waits, and the one that it waits for. */
  readonly self: object
  readonly dep: object
}

/** What an expression says; `invalid` is for the author to mend, `failed` may pass. */
export type ReadyAnswer = { readonly ready: boolean } | { readonly invalid: string } | { readonly failed: string }

export const readyTask: Task<ReadyInput, ReadyAnswer> = { name: 'kustomize/ready' }

/** Far more than a sensible expression needs. */
export const readyTimeoutMs = 5_000

export function evaluateReady({ expression, self, dep }: ReadyInput): ReadyAnswer {
  let condition: ReturnType<typeof compileCondition>
  try {
    condition = compileCondition(expression, { variables: ['self', 'dep'] })
  } catch (error) {
    return { invalid: messageOf(error) }
  }
  try {
    return { ready: condition.holds({ self, dep }) }
  } catch (error) {
    return { failed: messageOf(error) }
  }
}
