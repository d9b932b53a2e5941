/** sprig's versions. Source: sprig semver.go, Masterminds/semver. */

import { messageOf, ParseError } from '../../errors.ts'
import {
  checkMetadata,
  checkPrerelease,
  compareVersions,
  parseConstraint,
  parseVersion,
  printVersion,
  type Version,
} from '../../semver/index.ts'
import { type Func, FuncError, func, integer, p, param } from '../func.ts'
import { Bytes, bytesOf, type Field, type GoType, Int, Struct, types, type Value } from '../value.ts'

export function semverFunctions(): ReadonlyMap<string, Func> {
  return new Map([
    ['semver', func([p.string], param(pointerType), (text) => structOf(parse(text), pointerType))],
    [
      'semverCompare',
      func([p.string, p.string], p.bool, (range, text) => checked(() => parseConstraint(range)).check(parse(text))),
    ],
  ])
}

function parse(text: string): Version {
  return checked(() => parseVersion(text))
}

/** Go's errors are those of the version engine. */
function checked<Result>(run: () => Result): Result {
  try {
    return run()
  } catch (error) {
    throw error instanceof ParseError ? new FuncError(messageOf(error), { cause: error }) : error
  }
}

const numbers = ['major', 'minor', 'patch'] as const

const layout: readonly Field[] = [
  ...numbers.map((name) => ({ name, type: types.uint64 })),
  ...['pre', 'metadata', 'original'].map((name) => ({ name, type: types.string })),
]

type Method = (version: Version) => Func

/** Of versions and pointers to them. */
const methods: Record<string, Method> = {
  String: (version) => getter(p.string, printVersion(version)),
  Major: ({ major }) => getter(integer(types.uint64), major),
  Minor: ({ minor }) => getter(integer(types.uint64), minor),
  Patch: ({ patch }) => getter(integer(types.uint64), patch),
  Prerelease: ({ prerelease }) => getter(p.string, prerelease),
  Metadata: ({ metadata }) => getter(p.string, metadata),
  IncMajor: (version) => changing(version, () => increased(version, 'major', { minor: 0n, patch: 0n })),
  IncMinor: (version) => changing(version, () => increased(version, 'minor', { patch: 0n })),
  // A pre-release is before the version that it is named after.
  IncPatch: (version) => changing(version, () => (version.prerelease === '' ? increased(version, 'patch', {}) : released)),
  SetPrerelease: (version) => setting(version, 'prerelease', checkPrerelease),
  SetMetadata: (version) => setting(version, 'metadata', checkMetadata),
  MarshalJSON: (version) => getter(p.bytes, new Bytes(bytesOf(JSON.stringify(printVersion(version))))),
  MarshalText: (version) => getter(p.bytes, new Bytes(bytesOf(printVersion(version)))),
  Value: (version) => getter(param({ name: 'driver.Value', kind: 'interface' }), printVersion(version)),
}

/** Of pointers alone. */
const pointerMethods: Record<string, Method> = {
  Original: ({ original }) => getter(p.string, original),
  Compare: (version) => func([other], p.int, (value) => BigInt(comparison(version, value))),
  Equal: (version) => func([other], p.bool, (value) => !isNilPointer(value) && comparison(version, value) === 0),
  LessThan: (version) => test(version, (order) => order < 0),
  LessThanEqual: (version) => test(version, (order) => order <= 0),
  GreaterThan: (version) => test(version, (order) => order > 0),
  GreaterThanEqual: (version) => test(version, (order) => order >= 0),
}

const valueType = typeNamed('semver.Version', methods)
const pointerType: GoType = { ...typeNamed('*semver.Version', { ...methods, ...pointerMethods }), kind: 'ptr', elem: valueType }
const other = param(pointerType)

function typeNamed(name: string, methods: Record<string, Method>): GoType {
  const byName = Object.entries(methods).map(([name, method]) => [name, (receiver: Value) => method(versionOf(receiver))] as const)
  return {
    name,
    kind: 'struct',
    fields: [],
    unexported: layout.map((field) => field.name),
    layout,
    methods: new Map(byName),
    text: (receiver) => printVersion(versionOf(receiver)),
    marshalJson: (receiver) => JSON.stringify(printVersion(versionOf(receiver))),
  }
}

function structOf(version: Version, type: GoType): Struct {
  const fields: [string, Value][] = numbers.map((name) => [name, new Int(types.uint64, version[name])])
  const texts: [string, Value][] = [
    ['pre', version.prerelease],
    ['metadata', version.metadata],
    ['original', version.original],
  ]
  return new Struct(type, new Map([...fields, ...texts]))
}

/** @throws FuncError for a nil pointer, as Go's runtime does. */
function versionOf(value: Value): Version {
  if (!(value instanceof Struct) || !value.fields)
    throw new FuncError('runtime error: invalid memory address or nil pointer dereference')
  const { fields } = value
  const number = (name: string) => (fields.get(name) as Int).value
  const text = (name: string) => String(fields.get(name))
  return {
    major: number('major'),
    minor: number('minor'),
    patch: number('patch'),
    prerelease: text('pre'),
    metadata: text('metadata'),
    original: text('original'),
  }
}

function isNilPointer(value: Value): boolean {
  return !(value instanceof Struct) || !value.fields
}

function getter<Host>(result: Parameters<typeof func<[], Host>>[1], value: Host): Func {
  return func([], result, () => value)
}

function test(version: Version, holds: (order: number) => boolean): Func {
  return func([other], p.bool, (value) => holds(comparison(version, value)))
}

function comparison(version: Version, value: Value): number {
  return compareVersions(version, versionOf(value))
}

const released = { prerelease: '', metadata: '' }

function increased(version: Version, part: (typeof numbers)[number], rest: Partial<Version>): Partial<Version> {
  if (version[part] === 2n ** 64n - 1n) throw new FuncError(`${part} version increment would overflow uint64`)
  return { ...released, ...rest, [part]: version[part] + 1n }
}

function changing(version: Version, change: () => Partial<Version>): Func {
  return func([], param(valueType), () => changed(version, change()))
}

function setting(version: Version, part: 'prerelease' | 'metadata', check: (text: string) => void): Func {
  return func([p.string], param(valueType), (text) => {
    checked(() => check(text))
    return changed(version, { [part]: text })
  })
}

/** A version that was written with a `v` keeps it. */
function changed(version: Version, change: Partial<Version>): Struct {
  const next = { ...version, ...change }
  return structOf({ ...next, original: (version.original.startsWith('v') ? 'v' : '') + printVersion(next) }, valueType)
}
