/** sprig's list functions. What they return is a new list, but for `slice`. Source: sprig list.go. */

import type { Budget, Environment } from '../environment.ts'
import { type Func, FuncError, func, p, param, variadic } from '../func.ts'
import { anySlice, Bytes, itemsOf, Slice, sliceOf, type Value } from '../value.ts'
import { toInt } from './cast.ts'
import { isEmpty } from './empty.ts'
import { deepEqual } from './equal.ts'
import { kindName, prefixed } from './text.ts'

const anyList = param(anySlice)
const listOfListsType = sliceOf(anySlice)
const nilList = new Slice(anySlice, [], true)

export function listFunctions({ budget }: Environment): ReadonlyMap<string, Func> {
  const list = func([variadic(p.any)], p.list, (items) => items)
  const push = func([p.any, p.any], p.list, (items, item) => [...itemsFor('Cannot push on type', items), item])
  const prepend = func([p.any, p.any], p.list, (items, item) => [item, ...itemsFor('Cannot prepend on type', items)])
  const first = func([p.any], p.any, (items) => itemsFor('Cannot find first on type', items).at(0) ?? null)
  const last = func([p.any], p.any, (items) => itemsFor('Cannot find last on type', items).at(-1) ?? null)
  const rest = func([p.any], anyList, (items) => shortened(itemsFor('Cannot find rest on type', items), (all) => all.slice(1)))
  const initial = func([p.any], anyList, (items) =>
    shortened(itemsFor('Cannot find initial on type', items), (all) => all.slice(0, -1)),
  )
  const reverse = func([p.any], p.list, (items) => itemsFor('Cannot find reverse on type', items).toReversed())
  const compact = func([p.any], p.list, (items) => itemsFor('Cannot compact on type', items).filter((item) => !isEmpty(item)))
  const uniq = func([p.any], p.list, (items) => unique(itemsFor('Cannot find uniq on type', items), budget))
  const without = func([p.any, variadic(p.any)], p.list, (items, omitted) =>
    itemsFor('Cannot find without on type', items).filter((item) => !isIn(omitted, item, budget)),
  )
  const has = func(
    [p.any, p.any],
    p.bool,
    (needle, items) => items !== null && isIn(itemsFor('Cannot find has on type', items), needle, budget),
  )
  const slice = func([p.any, variadic(p.any)], p.any, sliceList)
  const chunk = func([p.int, p.any], param<Slice>(listOfListsType), (size, items) =>
    chunkList(itemsFor('Cannot chunk type', items), size, budget),
  )
  const byName: Record<string, Func> = {
    push,
    prepend,
    first,
    last,
    rest,
    initial,
    reverse,
    compact,
    uniq,
    without,
    has,
    slice,
    chunk,
    append: push,
  }
  return new Map<string, Func>([
    ...Object.entries(byName).flatMap(([name, each]): [string, Func][] => [
      [name, each],
      [prefixed('must', name), each],
    ]),
    ['list', list],
    ['tuple', list],
    ['concat', func([variadic(p.any)], p.any, concat)],
  ])
}

/** The items of a slice. @throws FuncError that starts with what cannot be done, and names the kind of the value. */
function itemsFor(problem: string, value: Value): readonly Value[] {
  const items = itemsOf(value)
  if (items) return items
  // reflect.TypeOf(nil).Kind()
  if (value === null) throw new FuncError('runtime error: invalid memory address or nil pointer dereference')
  throw new FuncError(`${problem} ${kindName(value)}`)
}

/** Of an empty list, nil. */
function shortened(items: readonly Value[], cut: (items: readonly Value[]) => readonly Value[]): Value {
  return items.length === 0 ? nilList : cut(items)
}

function unique(items: readonly Value[], budget: Budget): readonly Value[] {
  const found: Value[] = []
  // Most lists hold strings, which need no comparison with each that was there before.
  const texts = new Set<string>()
  for (const item of items) {
    if (typeof item === 'string' ? texts.has(item) : isIn(found, item, budget)) continue
    if (typeof item === 'string') texts.add(item)
    found.push(item)
  }
  return found
}

function isIn(items: readonly Value[], needle: Value, budget: Budget): boolean {
  budget.steps(items.length)
  return items.some((item) => deepEqual(needle, item, budget))
}

function sliceList(list: Value, indices: readonly Value[]): Value {
  const items = itemsFor('list should be type of slice or array but', list)
  if (items.length === 0) return null
  const start = Number(indices[0] === undefined ? 0n : toInt(indices[0]))
  const end = indices[1] === undefined ? items.length : Number(toInt(indices[1]))
  if (start < 0 || end < start || end > items.length) throw new FuncError('reflect.Value.Slice: slice index out of bounds')
  if (list instanceof Bytes) return new Bytes(list.bytes.subarray(start, end))
  if (list instanceof Slice) return new Slice(list.type, list.items.slice(start, end))
  return items.slice(start, end)
}

function chunkList(items: readonly Value[], size: bigint, budget: Budget): Slice {
  const length = Number(size)
  const count = Math.floor((items.length - 1) / length) + 1
  const last = items.length % length || length
  // Sizes below 1 give chunks only where upstream's arithmetic happens to come out right.
  if (!(count >= 0 && count < Number.POSITIVE_INFINITY) || (count > 0 && last < 0))
    throw new FuncError('runtime error: makeslice: len out of range')
  budget.steps(count)
  const chunkAt = (index: number) => items.slice(index * length, index * length + (index === count - 1 ? last : length))
  return new Slice(
    listOfListsType,
    Array.from({ length: count }, (_, index) => chunkAt(index)),
  )
}

function concat(lists: readonly Value[]): Value {
  const all = lists.flatMap((list) => {
    const items = itemsOf(list)
    if (items || list === null) return itemsFor('', list)
    throw new FuncError(`Cannot concat type ${kindName(list)} as list`)
  })
  return all.length === 0 ? nilList : all
}
