/**
 * JSON patch (RFC 6902) as kustomize applies it. It is laxer than the RFC: `replace` of a missing key adds it, `copy` from one
 * gives null, indices may be negative. That is why no general library does it.
 * Source: evanphx/json-patch v4.
 */

import { BuildError } from '../../errors.ts'
import { type Json, type JsonObject, parseJson } from '../../json.ts'
import { loadFirst } from '../../yaml/index.ts'

/** One operation, as written. */
export type Operation = JsonObject

/**
 * Reads a patch from JSON or YAML text; no text but comments is undefined.
 * @throws BuildError or ParseError for what is no list of operations.
 */
export function parseJsonPatch(text: string, file?: string): Operation[] | undefined {
  if (text === '') throw new BuildError('empty json patch operations')
  const value = text.startsWith('[') ? strictJson(text, file) : (loadFirst(text, { dialect: 'sigs', file }) ?? null)
  if (value === null) return undefined
  if (!Array.isArray(value))
    throw new BuildError(`json: cannot unmarshal ${jsonTypeName(value)} into Go value of type jsonpatch.Patch`)
  return value.map((item) => {
    if (isObject(item)) return item
    throw new BuildError(`json: cannot unmarshal ${jsonTypeName(item)} into Go value of type jsonpatch.Operation`)
  })
}

/** What begins as a JSON list has to be JSON all through. @throws BuildError */
function strictJson(text: string, file: string | undefined): Json {
  try {
    return parseJson(text)
  } catch (error) {
    // The reason quotes the text, which may be of a Secret.
    throw new BuildError('the patch begins as JSON but is not JSON', file === undefined ? {} : { file }, { cause: error })
  }
}

/** Go's word for the type of a JSON value. */
export function jsonTypeName(value: Json): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'boolean') return 'bool'
  return typeof value === 'bigint' ? 'number' : typeof value
}

/** The document after the operations, edited in place. @throws BuildError naming the operation's path. */
export function applyJsonPatch(document: Json, operations: readonly Operation[]): Json {
  const holder = { root: document, copiesLeft: MAX_COPIED_VALUES }
  for (const operation of operations) apply(holder, operation)
  return holder.root
}

/** Copies of copies double with each operation. */
const MAX_COPIED_VALUES = 1_000_000

interface Holder {
  root: Json
  copiesLeft: number
}

function apply(holder: Holder, operation: Operation): void {
  const kind = typeof operation.op === 'string' ? operation.op : 'unknown'
  switch (kind) {
    case 'add':
      add(locate(holder, pointerOf(operation, 'path', kind), kind), valueFrom(operation))
      break
    case 'remove':
      remove(locate(holder, pointerOf(operation, 'path', kind), kind))
      break
    case 'replace':
      replace(holder, pointerOf(operation, 'path', kind), valueFrom(operation))
      break
    case 'move':
      move(holder, operation)
      break
    case 'copy':
      copy(holder, operation)
      break
    case 'test':
      test(holder, pointerOf(operation, 'path', kind), valueFrom(operation))
      break
    default:
      throw new BuildError(`Unexpected kind: ${kind}`)
  }
}

function pointerOf(operation: Operation, field: 'path' | 'from', kind: string): string {
  const pointer = Object.hasOwn(operation, field) ? operation[field] : undefined
  if (typeof pointer === 'string') return pointer
  throw new BuildError(`${kind} operation failed to decode ${field}: missing value`)
}

function valueFrom(operation: Operation): Json {
  return structuredClone(Object.hasOwn(operation, 'value') ? (operation.value ?? null) : null)
}

/** The collection that a pointer leads into, and the key there. */
interface Location {
  readonly container: Json[] | JsonObject
  readonly key: string
  readonly pointer: string
}

function locate(holder: Holder, pointer: string, kind: string, what = ''): Location {
  const location = find(holder.root, pointer)
  if (location) return location
  const quoted = kind === 'add' || kind === 'remove' ? `"${pointer}"` : pointer
  const doc = kind === 'test' ? 'is' : 'doc is'
  throw new BuildError(`${kind} operation does not apply: ${doc} missing ${what}path: ${quoted}: missing value`)
}

function find(root: Json, pointer: string): Location | undefined {
  const parts = pointer.split('/').map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
  if (parts.length < 2) return undefined
  let value: Json | undefined = root
  for (const part of parts.slice(1, -1)) {
    value = isCollection(value) ? peek(value, part) : undefined
  }
  return isCollection(value) ? { container: value, key: parts.at(-1) ?? '', pointer } : undefined
}

function peek(container: Json[] | JsonObject, key: string): Json | undefined {
  if (!Array.isArray(container)) return Object.hasOwn(container, key) ? container[key] : undefined
  const index = integer(key)
  return index === undefined ? undefined : container[index < 0 ? index + container.length : index]
}

function integer(key: string): number | undefined {
  return /^[+-]?\d+$/.test(key) ? Number(key) : undefined
}

/** Position in a list of `length` places; negative ones count from the end. */
function indexIn(key: string, length: number): number {
  const index = integer(key)
  if (index === undefined) throw new BuildError(`strconv.Atoi: parsing ${JSON.stringify(key)}: invalid syntax`)
  if (index >= length || index < -length) throw new BuildError(`Unable to access invalid index: ${index}: invalid index referenced`)
  return index < 0 ? index + length : index
}

function within<T>(prefix: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (error instanceof BuildError) throw new BuildError(`${prefix}: ${error.message}`, {}, { cause: error })
    throw error
  }
}

function add({ container, key, pointer }: Location, value: Json, prefix = `error in add for path: '${pointer}'`): void {
  if (!Array.isArray(container)) {
    setOwn(container, key, value)
  } else if (key === '-') {
    container.push(value)
  } else if (integer(key) === undefined) {
    const reason = `value was not a proper array index: '${key}': strconv.Atoi: parsing ${JSON.stringify(key)}: invalid syntax`
    throw new BuildError(`${prefix}: ${reason}`)
  } else {
    container.splice(
      within(prefix, () => indexIn(key, container.length + 1)),
      0,
      value,
    )
  }
}

function remove({ container, key, pointer }: Location, prefix = `error in remove for path: '${pointer}'`): void {
  if (Array.isArray(container)) {
    container.splice(
      within(prefix, () => indexIn(key, container.length)),
      1,
    )
    return
  }
  if (!Object.hasOwn(container, key)) throw new BuildError(`${prefix}: Unable to remove nonexistent key: ${key}: missing value`)
  delete container[key]
}

function replace(holder: Holder, pointer: string, value: Json): void {
  if (pointer === '') {
    if (!isCollection(value)) throw new BuildError('replace operation value must be object or array')
    holder.root = value
    return
  }
  const { container, key } = locate(holder, pointer, 'replace')
  if (!Array.isArray(container)) {
    setOwn(container, key, value)
    return
  }
  try {
    container[indexIn(key, container.length)] = value
  } catch {
    throw new BuildError(`replace operation does not apply: doc is missing key: ${pointer}: missing value`)
  }
}

function move(holder: Holder, operation: Operation): void {
  const from = locate(holder, pointerOf(operation, 'from', 'move'), 'move', 'from ')
  const prefix = `error in move for path: '${from.key}'`
  const value = within(prefix, () => read(from))
  remove(from, prefix)
  const to = locate(holder, pointerOf(operation, 'path', 'move'), 'move', 'destination ')
  add(to, value, `error in move for path: '${to.pointer}'`)
}

function copy(holder: Holder, operation: Operation): void {
  const from = locate(holder, pointerOf(operation, 'from', 'copy'), 'copy', 'from ')
  const value = within(`error in copy for from: '${from.pointer}'`, () => read(from))
  spend(holder, value)
  const to = locate(holder, pointerOf(operation, 'path', 'copy'), 'copy', 'destination ')
  add(to, structuredClone(value), 'error while adding value during copy')
}

function spend(holder: Holder, value: Json): void {
  if (--holder.copiesLeft < 0) throw new BuildError('the operations copy too much')
  if (isCollection(value)) for (const item of Object.values(value)) spend(holder, item)
}

function test(holder: Holder, pointer: string, value: Json): void {
  const location = pointer === '' ? undefined : locate(holder, pointer, 'test')
  const actual = location ? within(`error in test for path: '${pointer}'`, () => read(location)) : holder.root
  if (!equal(actual, value)) throw new BuildError(`testing value ${pointer} failed: test failed`)
}

/** A missing key reads as null. */
function read({ container, key }: Location): Json {
  if (Array.isArray(container)) return container[indexIn(key, container.length)] ?? null
  return Object.hasOwn(container, key) ? (container[key] ?? null) : null
}

function equal(a: Json, b: Json): boolean {
  if (a === b) return true
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => equal(item, b[i] ?? null))
  if (!isObject(a) || !isObject(b)) return false
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  return keys.every((key) => Object.hasOwn(b, key) && equal(a[key] ?? null, b[key] ?? null))
}

function isCollection(value: Json | undefined): value is Json[] | JsonObject {
  return typeof value === 'object' && value !== null
}

function isObject(value: Json): value is JsonObject {
  return isCollection(value) && !Array.isArray(value)
}

function setOwn(object: JsonObject, key: string, value: Json): void {
  if (key !== '__proto__') object[key] = value
  else Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
}
