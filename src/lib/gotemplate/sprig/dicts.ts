/** sprig's dict functions: `set` and `unset` change the dict that they are given, `merge` its first one. Source: sprig dict.go. */

import type { Environment } from '../environment.ts'
import { type Func, FuncError, func, p, variadic } from '../func.ts'
import { anyMap, type Dict, strings, TypedMap, typeOf, type Value } from '../value.ts'
import { deepCopy } from './copy.ts'
import { MergeError, merge } from './merge.ts'
import { strval } from './text.ts'

export function dictFunctions({ budget }: Environment): ReadonlyMap<string, Func> {
  const merging = (overwrite: boolean) =>
    func([p.dict, variadic(p.dict)], p.any, (into, from) => merge(into, from, { overwrite, budget }))
  const swallowing = (overwrite: boolean) => func([p.dict, variadic(p.dict)], p.any, quietly(merging(overwrite)))
  const counted = (dict: Dict) => {
    budget.steps(dict.size)
    return dict
  }
  const copy = func([p.any], p.any, (value) => deepCopy(value, budget))
  return new Map<string, Func>([
    ['dict', func([variadic(p.any)], p.dict, dictOf)],
    ['get', func([p.dict, p.string], p.any, (dict, key) => dict.get(key) ?? (dict.has(key) ? null : ''))],
    ['set', func([p.dict, p.string, p.any], p.dict, set)],
    ['unset', func([p.dict, p.string], p.dict, unset)],
    ['hasKey', func([p.dict, p.string], p.bool, (dict, key) => dict.has(key))],
    [
      'pluck',
      func([p.string, variadic(p.dict)], p.list, (key, dicts) =>
        dicts.flatMap((dict) => (dict.has(key) ? [dict.get(key) ?? null] : [])),
      ),
    ],
    // In the order of insertion, as all that follow: Go's order is random.
    ['keys', func([variadic(p.dict)], p.strings, (dicts) => strings(dicts.flatMap((dict) => [...counted(dict).keys()])))],
    ['values', func([p.dict], p.list, (dict) => [...counted(dict).values()])],
    ['pick', func([p.dict, variadic(p.string)], p.dict, pick)],
    ['omit', func([p.dict, variadic(p.string)], p.dict, (dict, keys) => omit(counted(dict), keys))],
    ['merge', swallowing(false)],
    ['mergeOverwrite', swallowing(true)],
    ['mustMerge', merging(false)],
    ['mustMergeOverwrite', merging(true)],
    ['dig', func([variadic(p.any)], p.any, dig)],
    ['deepCopy', copy],
    ['mustDeepCopy', copy],
  ])
}

/** A key without a value has an empty one. */
function dictOf(items: readonly Value[]): Dict {
  const dict: Dict = new Map()
  for (let i = 0; i < items.length; i += 2) dict.set(strval(items[i] ?? null), items[i + 1] ?? (i + 1 < items.length ? null : ''))
  return dict
}

function set(dict: Dict, key: string, value: Value): Dict {
  if (isNil(dict)) throw new FuncError('assignment to entry in nil map')
  return dict.set(key, value)
}

function unset(dict: Dict, key: string): Dict {
  dict.delete(key)
  return dict
}

function pick(dict: Dict, keys: readonly string[]): Dict {
  return new Map(keys.flatMap((key) => (dict.has(key) ? [[key, dict.get(key) ?? null] as const] : [])))
}

function omit(dict: Dict, keys: readonly string[]): Dict {
  const omitted = new Set(keys)
  return new Map([...dict].filter(([key]) => !omitted.has(key)))
}

/** Makes an error of mergo an empty string, as sprig does. */
function quietly({ call }: Func): (into: Dict, from: Dict[]) => Value {
  return (into, from) => {
    try {
      return call([into, ...from])
    } catch (error) {
      if (error instanceof MergeError) return ''
      throw error
    }
  }
}

/** `dig "a" "b" default dict` is `dict.a.b`, or the default where a key is missing. @throws FuncError where there is no dict on the way. */
function dig(args: readonly Value[]): Value {
  if (args.length < 3) throw new FuncError('dig needs at least three arguments')
  const keys = args.slice(0, -2)
  const otherwise = args.at(-2) ?? null
  let dict = dictFor(args.at(-1) ?? null)
  const names = keys.map((key) => {
    if (typeof key !== 'string') throw notA('string', key)
    return key
  })
  for (const [index, name] of names.entries()) {
    const step = dict.get(name)
    if (step === undefined) return otherwise
    if (index === names.length - 1) return step
    dict = dictFor(step)
  }
  return otherwise
}

function dictFor(value: Value): Dict {
  if (!(value instanceof Map) || typeOf(value) !== anyMap) throw notA('map[string]interface {}', value)
  return value
}

/** Go's panic of a type assertion. */
function notA(wanted: string, value: Value): FuncError {
  return new FuncError(`interface conversion: interface {} is ${typeOf(value)?.name ?? 'nil'}, not ${wanted}`)
}

function isNil(dict: Dict): boolean {
  return dict instanceof TypedMap && dict.isNil
}
