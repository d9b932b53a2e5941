/** Functions that templates can call: their Go signature, which the executor checks arguments against, and what they do. */

import {
  anyMap,
  anySlice,
  type Bytes,
  byteSlice,
  type Dict,
  type GoType,
  Int,
  intSlice,
  type Slice,
  stringMap,
  stringSlice,
  TypedMap,
  types,
  type Value,
} from './value.ts'

/** What a function throws where Go's returns an error or panics: the executor says in which call it was. */
export class FuncError extends Error {
  override readonly name = 'FuncError'
}

/** A function value. `params` are Go's parameter types, the last one the element type when `isVariadic`. */
export interface Func {
  readonly params: readonly GoType[]
  readonly isVariadic: boolean
  readonly result: GoType
  /** The arguments must be of the parameters' types and number. @throws FuncError */
  readonly call: (args: readonly Value[]) => Value
  /** Why no template can call it, whatever the arguments: Go's words about its results (time.Time.Date gives three). */
  readonly unusable?: string
}

/** A parameter or result: its Go type, and how its values look to the code of a function (an `int` is a bigint there). */
export interface Param<Host> {
  readonly type: GoType
  readonly isVariadic: boolean
  /** The argument at an index; of a variadic parameter all from there on. */
  read(args: readonly Value[], index: number): Host
  write(host: Host): Value
}

/** A parameter that gets the value as it is. */
function plain<Host extends Value>(type: GoType): Param<Host> {
  // Taken on trust: the executor has checked each argument against the type before.
  return { type, isVariadic: false, read: readPlain as Param<Host>['read'], write: (host) => host }
}

function readPlain(args: readonly Value[], index: number): Value {
  return args[index] ?? null
}

/** A parameter of an integer type, named ones included: a bigint to the function's code. */
export function integer(type: GoType): Param<bigint> {
  const read = (args: readonly Value[], index: number) => (args[index] as Int).value
  return { type, isVariadic: false, read, write: (host) => new Int(type, host) }
}

/** A map of a named type becomes one without a name, as on any assignment in Go. */
function readDict(args: readonly Value[], index: number): Dict {
  const value = args[index] as Dict
  return value instanceof TypedMap ? value.unnamed : value
}

/** The parameter and result types that functions use. */
export const p = {
  any: plain<Value>(types.any),
  string: plain<string>(types.string),
  bool: plain<boolean>(types.bool),
  float64: plain<number>(types.float64),
  int: integer(types.int),
  int64: integer(types.int64),
  list: plain<readonly Value[]>(anySlice),
  strings: plain<Slice>(stringSlice),
  ints: plain<Slice>(intSlice),
  bytes: plain<Bytes>(byteSlice),
  dict: { ...plain<Dict>(anyMap), read: readDict },
  stringMap: plain<TypedMap>(stringMap),
} as const

/** A parameter or result of any other type, as the value itself. */
export function param<Host extends Value = Value>(type: GoType): Param<Host> {
  return plain<Host>(type)
}

/** `...T`: the function gets the rest of the arguments as one array. */
export function variadic<Host>(each: Param<Host>): Param<Host[]> {
  return {
    type: each.type,
    isVariadic: true,
    read: (args, index) => args.slice(index).map((_, offset) => each.read(args, index + offset)),
    write: () => null,
  }
}

type Params<Hosts extends readonly unknown[]> = { readonly [K in keyof Hosts]: Param<Hosts[K]> }

/**
 * Declares a function: `func([p.int, p.string], p.string, (width, text) => …)` is Go's `func(int, string) string`. A variadic parameter
 * comes last: `func([p.string, variadic(p.any)], p.string, (format, rest) => …)`.
 */
export function func<Hosts extends readonly unknown[], Result>(
  params: Params<[...Hosts]>,
  result: Param<Result>,
  run: (...args: [...Hosts]) => Result,
): Func {
  const readers: readonly Param<unknown>[] = params
  // Most functions take all values as they are: these are called without a copy.
  const arePlain = readers.every((each) => each.read === readPlain)
  const read = (args: readonly Value[]) => (arePlain ? args : readers.map((each, index) => each.read(args, index)))
  return {
    params: readers.map((each) => each.type),
    isVariadic: readers.at(-1)?.isVariadic ?? false,
    result: result.type,
    call: (args) => result.write(run(...(read(args) as [...Hosts]))),
  }
}
