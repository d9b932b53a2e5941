/** Which objects a call is about: CEL over the call's body, each object's metadata and the caller's claims. */

import type { KubeObject } from '../api/object.ts'
import type { Receiver } from '../api/receiver.ts'
import { CelValue, type Condition, compileCondition } from '../lib/cel/index.ts'
import { messageOf } from '../lib/errors.ts'
import { fieldsOf, parseJson } from './json.ts'
import type { Checked } from './receivers/check.ts'

/** @throws ParseError for an expression that is wrong. `withClaims`: the caller shows a token, so there are claims. */
export function compileFilter(expression: string, { withClaims }: { readonly withClaims: boolean }): Condition {
  const key = `${withClaims} ${expression}`
  const known = compiled.get(key)
  if (known) return known
  const condition = compileCondition(expression, { variables: withClaims ? ['res', 'req', 'claims'] : ['res', 'req'] })
  if (compiled.size >= mostCompiled) compiled.clear()
  compiled.set(key, condition)
  return condition
}

/** Each call asks the same expressions again. */
const compiled = new Map<string, Condition>()
const mostCompiled = 1_000

/** Whether the object is meant. @throws Error for an expression that fails. */
export type Filter = (object: KubeObject) => boolean

/**
 * The filter of each of the Receiver's resources, in their order; undefined where everything is meant.
 * @throws Error when there are filters, and the body says that it is JSON and is none. Source: newResourceFilters.
 */
export function filtersOf({ spec }: Receiver, { payload, contentType, claims }: Checked): readonly (Filter | undefined)[] {
  if (!spec.resourceFilter && spec.resources.every(({ filter }) => !filter)) return spec.resources.map(() => undefined)
  const req = CelValue.of(isJson(contentType) ? bodyOf(payload) : {})
  const values = { req, ...(claims && { claims: CelValue.of(claims) }) }
  return spec.resources.map(({ filter }) => {
    const expressions = [spec.resourceFilter, filter].filter((one): one is string => one !== undefined && one !== '')
    const conditions = expressions.map((one) => compileFilter(one, { withClaims: claims !== undefined }))
    return conditions.length === 0 ? undefined : (object) => conditions.every((one) => one.holds({ ...values, res: object }))
  })
}

function bodyOf(payload: Buffer): unknown {
  try {
    const fields = fieldsOf(parseJson(payload.toString('utf8')))
    if (fields) return fields
  } catch (error) {
    throw new Error(`failed to parse request body as JSON: ${messageOf(error)}`, { cause: error })
  }
  throw new Error('failed to parse request body as JSON: it is no object')
}

function isJson(contentType: string): boolean {
  return contentType.split(',').some((type) => mediaTypeOf(type) === 'application/json')
}

/** Without its parameters, in lower case. */
export function mediaTypeOf(contentType: string): string {
  return (contentType.split(';')[0] ?? '').trim().toLowerCase()
}
