/** Runs an expression of templates, as the tests of sprig do. */

import { Budget, LimitError, type Limits } from '../../../../src/lib/gotemplate/environment.ts'
import { formatFunctions } from '../../../../src/lib/gotemplate/format-functions.ts'
import { sprigFunctions } from '../../../../src/lib/gotemplate/sprig/index.ts'
import { TemplateSet } from '../../../../src/lib/gotemplate/template.ts'
import type { Value } from '../../../../src/lib/gotemplate/value.ts'

/** What `{{ expression }}` prints, or `error: ` and what the function, or else the executor, says went wrong. */
export function evaluate(expression: string, data: Value = new Map(), limits: Limits = {}): string {
  const budget = new Budget(limits)
  const env = { now: () => 0, random: (length: number) => new Uint8Array(length), zone: 'UTC', budget }
  const set = new TemplateSet({ funcs: new Map([...formatFunctions(env), ...sprigFunctions(env)]), missingKey: 'zero' })
  set.parse('t', `{{ ${expression} }}`)
  try {
    return set.execute('t', data, { budget })
  } catch (error) {
    if (!(error instanceof Error) || error instanceof LimitError) throw error
    const cause = error.cause instanceof Error ? error.cause.message : error.message.replace(/^.*?>: /s, '')
    return `error: ${cause}`
  }
}
