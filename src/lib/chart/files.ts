/** `.Files`: what templates read of a chart's other files. Source: helm pkg/engine/files.go. */

import type { Budget } from '../gotemplate/environment.ts'
import { type Func, func, p, param } from '../gotemplate/func.ts'
import {
  Bytes,
  byteSlice,
  type Dict,
  type GoType,
  mapOf,
  stringMap,
  strings,
  TypedMap,
  textOf,
  type Value,
} from '../gotemplate/value.ts'
import type { ChartFile } from './chart.ts'
import { matcherOf } from './glob.ts'
import { toYaml } from './serialize.ts'

/** The files as templates see them. What they copy is charged to the budget. */
export function filesObject(files: readonly ChartFile[], budget: Budget): TypedMap {
  const type = filesType(budget)
  return new TypedMap(
    type,
    files.map(({ name, data }) => [name, new Bytes(data)]),
  )
}

/** Each render has a type of its own, because the methods charge its budget. */
function filesType(budget: Budget): GoType {
  const text = (bytes: Uint8Array): string => {
    budget.text(bytes.length)
    return textOf(bytes)
  }
  const base64 = (bytes: Uint8Array): string => {
    budget.text(Math.ceil(bytes.length / 3) * 4)
    return Buffer.from(bytes).toString('base64')
  }
  const methods: [string, (files: Value) => Func][] = [
    ['Get', (files) => func([p.string], p.string, (name) => text(bytesAt(files, name)))],
    ['GetBytes', (files) => func([p.string], p.bytes, (name) => new Bytes(bytesAt(files, name)))],
    ['Lines', (files) => func([p.string], p.strings, (name) => strings(linesOf(text(bytesAt(files, name)))))],
    ['Glob', (files) => func([p.string], param(type), (pattern) => matching(files, pattern, type, budget))],
    ['AsConfig', (files) => func([], p.string, () => flattened(files, text))],
    ['AsSecrets', (files) => func([], p.string, () => flattened(files, base64))],
  ]
  const type: GoType = { ...mapOf(byteSlice), name: 'engine.files', methods: new Map(methods) }
  return type
}

function entriesOf(files: Value): [string, Uint8Array][] {
  if (!(files instanceof Map)) return []
  return [...files].flatMap(([name, data]): [string, Uint8Array][] => (data instanceof Bytes ? [[name, data.bytes]] : []))
}

function bytesAt(files: Value, name: string): Uint8Array {
  const data = files instanceof Map ? files.get(name) : undefined
  return data instanceof Bytes ? data.bytes : new Uint8Array()
}

function linesOf(text: string): string[] {
  if (text === '') return []
  return (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n')
}

/** A pattern that is none matches everything. */
function matching(files: Value, pattern: string, type: GoType, budget: Budget): TypedMap {
  const entries = entriesOf(files)
  budget.steps(entries.length)
  const matches = matcherOf(pattern)
  return new TypedMap(
    type,
    entries.filter(([name]) => matches(name)).map(([name, data]) => [name, new Bytes(data)]),
  )
}

/** A YAML map from the last part of each name to its content. Of two files with the same name the later one counts. */
function flattened(files: Value, print: (data: Uint8Array) => string): string {
  const sorted = entriesOf(files).sort(([a], [b]) => (a < b ? -1 : 1))
  const map: Dict = new TypedMap(
    stringMap,
    sorted.map(([name, data]) => [baseName(name), print(data)]),
  )
  return toYaml(map)
}

/** Source: path.Base, for names that are not empty. */
function baseName(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1)
}
