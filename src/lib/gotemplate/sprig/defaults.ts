/** sprig's functions for defaults, JSON and choice. Source: sprig defaults.go. */

import type { Environment } from '../environment.ts'
import { type Func, FuncError, func, p, variadic } from '../func.ts'
import { JsonError, marshalJson, parseGoJson } from '../gojson.ts'
import type { Value } from '../value.ts'
import { isEmpty } from './empty.ts'

export function defaultFunctions({ budget }: Environment): ReadonlyMap<string, Func> {
  const toJson = (value: Value) => marshalJson(value, { budget })
  const toPrettyJson = (value: Value) => marshalJson(value, { indent: '  ', budget })
  const toRawJson = func([p.any], p.string, (value) => marshalJson(value, { escapeHtml: false, budget }))
  return new Map<string, Func>([
    ['default', func([p.any, variadic(p.any)], p.any, (otherwise, [given = null]) => (isEmpty(given) ? otherwise : given))],
    ['empty', func([p.any], p.bool, isEmpty)],
    ['coalesce', func([variadic(p.any)], p.any, (values) => values.find((value) => !isEmpty(value)) ?? null)],
    ['all', func([variadic(p.any)], p.bool, (values) => !values.some(isEmpty))],
    ['any', func([variadic(p.any)], p.bool, (values) => !values.every(isEmpty))],
    ['ternary', func([p.any, p.any, p.bool], p.any, (yes, no, test) => (test ? yes : no))],
    ['toJson', func([p.any], p.string, (value) => textOrNone(() => toJson(value)))],
    ['toPrettyJson', func([p.any], p.string, (value) => textOrNone(() => toPrettyJson(value)))],
    ['toRawJson', toRawJson],
    ['mustToJson', func([p.any], p.string, toJson)],
    ['mustToPrettyJson', func([p.any], p.string, toPrettyJson)],
    ['mustToRawJson', toRawJson],
    ['fromJson', func([p.string], p.any, decoded)],
    ['mustFromJson', func([p.string], p.any, parseGoJson)],
  ])
}

function textOrNone(print: () => string): string {
  try {
    return print()
  } catch (error) {
    if (error instanceof FuncError) return ''
    throw error
  }
}

/** Ignores the error, and keeps what was decoded nevertheless. */
function decoded(text: string): Value {
  try {
    return parseGoJson(text)
  } catch (error) {
    if (error instanceof JsonError) return error.partial ?? null
    throw error
  }
}
