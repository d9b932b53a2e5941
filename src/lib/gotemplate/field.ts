/** Fields and methods of values: `.a.b`. Source: Go text/template/exec.go, evalField. */

import { type CallSite, callFunction } from './call.ts'
import type { Frame, Maybe } from './frame.ts'
import type { Func } from './func.ts'
import { quote } from './strconv.ts'
import { zeroOf } from './types.ts'
import { type GoType, Struct, TypedMap, typeOf, type Value } from './value.ts'

/** A chain of names, and how a method at its end is called. */
export interface FieldChain {
  readonly names: readonly string[]
  readonly site: CallSite
}

/**
 * Follows a chain from a value.
 * @param isBoxed the static type of the value is interface {}.
 * @param final what a pipeline hands on; counts only with `site.hasFinal`.
 */
export function followChain(frame: Frame, dot: Maybe, chain: FieldChain, start: Maybe, isBoxed: boolean, final: Maybe): Maybe {
  const { names, site } = chain
  const last = names.length - 1
  let value = start
  frame.isFieldBoxed = isBoxed
  for (let at = 0; at < last; at++) value = fieldOf(frame, dot, withoutArguments(site), names[at] ?? '', value, undefined)
  return fieldOf(frame, dot, site, names[last] ?? '', value, final)
}

function withoutArguments(site: CallSite): CallSite {
  return site.hasArguments ? { node: site.node, operands: [], hasArguments: false, hasFinal: false } : site
}

function fieldOf(frame: Frame, dot: Maybe, site: CallSite, name: string, owner: Maybe, final: Maybe): Maybe {
  // By far the most usual: a map without methods.
  if (owner instanceof Map && owner.constructor === Map) return mapEntry(frame, site, name, owner)
  if (owner === undefined) return fieldOfNothing(frame, name)
  const type = owner === null ? undefined : typeOf(owner)
  if (owner === null || !type) return frame.fail(`nil pointer evaluating interface {}.${name}`)
  const method = methodOf(owner, type, name)
  if (method) return callMethod(frame, dot, site, name, method, final)
  if (owner instanceof Struct) return structField(frame, site, name, owner)
  if (owner instanceof Map) return mapEntry(frame, site, name, owner)
  return frame.fail(`can't evaluate field ${name} in type ${staticName(frame, type)}`)
}

function fieldOfNothing(frame: Frame, name: string): undefined {
  if (frame.execution.library.missingKey === 'error') frame.fail(`nil data; no entry for key ${quote(name)}`)
  return undefined
}

function methodOf(owner: Value, type: GoType, name: string): Func | undefined {
  const own = type.methods?.get(name)
  if (own) return own(owner)
  return type.kind === 'ptr' ? type.elem?.methods?.get(name)?.(owner) : undefined
}

function callMethod(frame: Frame, dot: Maybe, site: CallSite, name: string, method: Func, final: Maybe): Maybe {
  const result = callFunction(frame, dot, name, site, method, final)
  frame.isFieldBoxed = isInterface(method.result)
  return result
}

function structField(frame: Frame, site: CallSite, name: string, { type, fields }: Struct): Maybe {
  const struct = type.kind === 'ptr' ? type.elem : type
  const field = struct?.fields?.find((each) => each.name === name)
  const isUnexported = struct?.unexported?.includes(name)
  if (!field && !isUnexported) return frame.fail(`can't evaluate field ${name} in type ${staticName(frame, type)}`)
  if (!fields) return frame.fail(`nil pointer evaluating ${staticName(frame, type)}.${name}`)
  if (isUnexported) return frame.fail(`${name} is an unexported field of struct type ${staticName(frame, type)}`)
  if (site.hasArguments) return frame.fail(`${name} has arguments but cannot be invoked as function`)
  frame.isFieldBoxed = isInterface(field?.type)
  return fields.get(name) ?? null
}

function mapEntry(frame: Frame, site: CallSite, name: string, map: Map<string, Value>): Maybe {
  if (site.hasArguments) return frame.fail(`${name} is not a method but has arguments`)
  frame.isFieldBoxed = !(map instanceof TypedMap) || isInterface(map.type.elem)
  const value = map.get(name)
  return value === undefined ? missingEntry(frame, map, name) : value
}

function missingEntry(frame: Frame, map: Map<string, Value>, name: string): Maybe {
  switch (frame.execution.library.missingKey) {
    case 'default':
      return undefined
    case 'zero':
      return map instanceof TypedMap ? zeroOf(map.type.elem) : null
    case 'error':
      return frame.fail(`map has no entry for key ${quote(name)}`)
  }
}

export function isInterface(type: GoType | undefined): boolean {
  return type?.kind === 'interface'
}

/** The type that errors name: what is known of the value without looking into interfaces. */
function staticName(frame: Frame, type: GoType): string {
  return frame.isFieldBoxed ? 'interface {}' : type.name
}
