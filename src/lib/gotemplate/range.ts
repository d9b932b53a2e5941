/** What a range goes through. Source: Go text/template/exec.go, walkRange. */

import { sprintf } from './format.ts'
import type { Frame, Maybe } from './frame.ts'
import type { PipeNode } from './node.ts'
import { dereferenced } from './types.ts'
import { Int, int, isList, itemsOf, sortedKeys, TypedMap, typeOf, type Value } from './value.ts'

export interface RangeItems {
  readonly count: number
  /** The items have the static type interface {}. */
  readonly isBoxed: boolean
  item(at: number): Maybe
  /** Gives the variables of the range their values for an iteration. */
  bind(frame: Frame, at: number, item: Maybe): void
}

interface Items {
  readonly count: number
  readonly isBoxed: boolean
  item(at: number): Maybe
  /** The index or key; undefined for the numbers up to an integer, which have none. */
  key(at: number): Maybe
}

/** The items of a value, and the variables that they go to. Fails for what cannot be ranged over. */
export function rangeItems(frame: Frame, value: Maybe, pipe: PipeNode): RangeItems {
  const items = itemsFor(frame, value, pipe)
  return { count: items.count, isBoxed: items.isBoxed, item: items.item, bind: binder(items, pipe) }
}

const none: Items = { count: 0, isBoxed: false, item: () => undefined, key: () => undefined }

function itemsFor(frame: Frame, value: Maybe, { variables }: PipeNode): Items {
  if (value === undefined || value === null) return none
  if (value instanceof Map) return mapItems(value)
  if (value instanceof Int) {
    if (variables.length > 1) frame.fail(`can't use ${value.value} to iterate over more than one variable`)
    return numbersBelow(value)
  }
  const list = itemsOf(value)
  if (!list) return frame.fail(`range can't iterate over ${sprintf('%v', [dereferenced(value)])}`)
  const isBoxed = isList(value) || typeOf(value)?.elem?.kind === 'interface'
  return { count: list.length, isBoxed, item: (at) => list[at], key: smallInt }
}

/** As they are when the range begins: the body may change the map. */
function mapItems(map: Map<string, Value>): Items {
  const keys = sortedKeys(map)
  const values = keys.map((key) => map.get(key))
  const isBoxed = !(map instanceof TypedMap) || map.type.elem?.kind === 'interface'
  return { count: keys.length, isBoxed, item: (at) => values[at], key: (at) => keys[at] }
}

function numbersBelow({ type, value }: Int): Items {
  return { count: Number(value), isBoxed: false, item: (at) => new Int(type, BigInt(at)), key: () => undefined }
}

const smallInts = Array.from({ length: 256 }, (_, value) => int(value))

function smallInt(value: number): Int {
  return smallInts[value] ?? int(value)
}

/** With two variables, index or key and item; with one, the item. */
function binder({ key, isBoxed }: Items, { variables, isAssignment }: PipeNode): RangeItems['bind'] {
  const [first, second] = variables
  if (first === undefined) return () => {}
  if (isAssignment) return (frame, at, item) => assign(frame, first, second, key(at), item, isBoxed)
  return (frame, at, item) => {
    const top = frame.variables.length - 1
    setVariable(frame, top, item, isBoxed)
    if (second !== undefined) setVariable(frame, top - 1, key(at), false)
  }
}

function assign(frame: Frame, first: string, second: string | undefined, key: Maybe, item: Maybe, isBoxed: boolean): void {
  if (second === undefined) {
    frame.assign(first, item, isBoxed)
    return
  }
  frame.assign(first, key)
  frame.assign(second, item, isBoxed)
}

function setVariable(frame: Frame, at: number, value: Maybe, isBoxed: boolean): void {
  const variable = frame.variables[at]
  if (!variable) return
  variable.value = value
  variable.isBoxed = isBoxed
}
