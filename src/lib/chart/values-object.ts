/** `.Values`: a map with methods. Source: helm pkg/chart/common/values.go. */

import { type Func, FuncError, func, p, param } from '../gotemplate/func.ts'
import { quote } from '../gotemplate/strconv.ts'
import { type Dict, type GoType, mapOf, TypedMap, types, type Value } from '../gotemplate/value.ts'
import { mustToYaml } from './serialize.ts'
import { isTable } from './table.ts'

/** A map of another type over the same entries: what `set` does to one shows in the other, as with two Go maps that are one. */
class View extends TypedMap {
  readonly entriesOf: Dict
  constructor(type: GoType, dict: Dict) {
    super(type)
    this.entriesOf = dict
  }
  override get unnamed(): Dict {
    return this.entriesOf
  }
  override get size(): number {
    return this.entriesOf.size
  }
  override get(key: string): Value | undefined {
    return this.entriesOf.get(key)
  }
  override has(key: string): boolean {
    return this.entriesOf.has(key)
  }
  override set(key: string, value: Value): this {
    this.entriesOf.set(key, value)
    return this
  }
  override delete(key: string): boolean {
    return this.entriesOf.delete(key)
  }
  override clear(): void {
    this.entriesOf.clear()
  }
  override entries(): MapIterator<[string, Value]> {
    return this.entriesOf.entries()
  }
  override keys(): MapIterator<string> {
    return this.entriesOf.keys()
  }
  override values(): MapIterator<Value> {
    return this.entriesOf.values()
  }
  override forEach(each: (value: Value, key: string, map: Map<string, Value>) => void): void {
    for (const [key, value] of this.entriesOf) each(value, key, this)
  }
  override [Symbol.iterator](): MapIterator<[string, Value]> {
    return this.entriesOf.entries()
  }
}

const valuesType: GoType = {
  ...mapOf(types.any),
  name: 'common.Values',
  methods: new Map<string, (receiver: Value) => Func>([
    ['YAML', (values) => func([], p.string, () => `${mustToYaml(values)}\n`)],
    ['AsMap', (values) => func([], p.dict, () => dictOf(values))],
    ['Table', (values) => func([p.string], param(valuesType), (path) => tableAt(dictOf(values), path))],
    ['PathValue', (values) => func([p.string], p.any, (path) => scalarAt(dictOf(values), path))],
    ['Encode', () => func([param({ name: 'io.Writer', kind: 'interface' })], p.any, (_writer) => null)],
  ]),
}

/** Helm's own type of values, with its methods, over a map: both are one. */
export function asValues(dict: Dict): TypedMap {
  return dict instanceof View ? dict : new View(valuesType, dict)
}

function dictOf(values: Value): Dict {
  return values instanceof View ? values.entriesOf : values instanceof Map ? values : new Map()
}

/**
 * The table at a path of keys with dots between them.
 * @throws FuncError when there is none.
 * Source: common.Values.Table.
 */
export function tableAt(values: Dict, path: string): TypedMap {
  let table = values
  for (const key of path.split('.')) {
    const next = table.get(key)
    if (!isTable(next) && !(next instanceof TypedMap && next.type === valuesType))
      throw new FuncError(`${quote(key)} is not a table`)
    table = next
  }
  return asValues(table)
}

/** Source: common.Values.PathValue. */
function scalarAt(values: Dict, path: string): Value {
  if (path === '') throw new FuncError('YAML path cannot be empty')
  const keys = path.split('.')
  const key = keys.pop() ?? ''
  const missing = new FuncError(`${quote(key)} is not a value`)
  const table: Dict = keys.length === 0 ? values : attempt(() => tableAt(values, keys.join('.')), missing)
  const value = table.get(key)
  if (value === undefined || isTable(value)) throw missing
  return value
}

function attempt<T>(action: () => T, instead: FuncError): T {
  try {
    return action()
  } catch {
    throw instead
  }
}
