/** sprig's functions that say what a value is. Source: sprig reflect.go. */

import type { Environment } from '../environment.ts'
import { type Func, func, p } from '../func.ts'
import { typeOf, type Value } from '../value.ts'
import { deepEqual } from './equal.ts'
import { kindName } from './text.ts'

export function reflectFunctions({ budget }: Environment): ReadonlyMap<string, Func> {
  return new Map<string, Func>([
    ['typeOf', func([p.any], p.string, typeName)],
    ['typeIs', func([p.string, p.any], p.bool, (name, value) => name === typeName(value))],
    ['typeIsLike', func([p.string, p.any], p.bool, (name, value) => [name, `*${name}`].includes(typeName(value)))],
    ['kindOf', func([p.any], p.string, kindName)],
    ['kindIs', func([p.string, p.any], p.bool, (name, value) => name === kindName(value))],
    ['deepEqual', func([p.any, p.any], p.bool, (a, b) => deepEqual(a, b, budget))],
  ])
}

/** As `%T` prints it. */
function typeName(value: Value): string {
  return typeOf(value)?.name ?? '<nil>'
}
