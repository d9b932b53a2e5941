/** The functions that Helm adds to sprig's. Source: helm pkg/engine/engine.go, funcs.go. */

import { chargeItems } from '../gotemplate/cost.ts'
import type { Environment } from '../gotemplate/environment.ts'
import { type Func, FuncError, func, p } from '../gotemplate/func.ts'
import type { Dict, Value } from '../gotemplate/value.ts'
import { durationFunctions } from './durations.ts'
import { warn } from './engine-errors.ts'
import * as serialize from './serialize.ts'

/**
 * Reads an object of the cluster, or (when the name is empty) a list of them; an empty map when there is none.
 * What it throws is an error of the template.
 */
export type Lookup = (apiVersion: string, kind: string, namespace: string, name: string) => Dict

/** The addresses of a host. */
export type ResolveHost = (name: string) => readonly string[]

/** What templates may ask of the world around them. */
export interface Answers {
  /** Without it there is no cluster. */
  readonly lookup?: Lookup | undefined
  /** Without it there is no DNS: every host's address is an empty text. */
  readonly resolveHost?: ResolveHost | undefined
}

/** Helm's functions but `include` and `tpl`, which belong to a set of templates. What they print is charged to the budget. */
export function helmFunctions(
  env: Environment,
  { lookup = () => new Map(), resolveHost }: Answers = {},
): ReadonlyMap<string, Func> {
  const { budget } = env
  const printer = (print: (value: Value) => string): Func =>
    func([p.any], p.string, (value) => {
      chargeItems(value, budget)
      const text = print(value)
      budget.text(text.length)
      return text
    })
  const charged = (text: string): string => {
    budget.text(text.length)
    return text
  }
  return new Map<string, Func>([
    ['toYaml', printer(serialize.toYaml)],
    ['mustToYaml', printer(serialize.mustToYaml)],
    ['toYamlPretty', printer(serialize.toYamlPretty)],
    ['toJson', printer(serialize.toJson)],
    ['mustToJson', printer(serialize.mustToJson)],
    ['toToml', func([p.any], p.string, (value) => serialize.toToml(value, budget))],
    ['mustToToml', func([p.any], p.string, (value) => serialize.mustToToml(value, budget))],
    ['fromYaml', func([p.string], p.dict, (text) => serialize.fromYaml(charged(text)))],
    ['fromYamlArray', func([p.string], p.list, (text) => serialize.fromYamlArray(charged(text)))],
    ['fromJson', func([p.string], p.dict, (text) => serialize.fromJson(charged(text)))],
    ['fromJsonArray', func([p.string], p.list, (text) => serialize.fromJsonArray(charged(text)))],
    ['fromToml', func([p.string], p.dict, (text) => serialize.fromToml(charged(text), env))],
    ...durationFunctions(),
    ['required', func([p.string, p.any], p.any, required)],
    ['fail', func([p.string], p.string, fail)],
    ['lookup', func([p.string, p.string, p.string, p.string], p.dict, lookup)],
    ['getHostByName', func([p.string], p.string, (host) => (resolveHost ? oneOf(resolveHost(host), env) : ''))],
  ])
}

/** Any of them; without one the words of Go, whose random number has no bound then. */
function oneOf(addresses: readonly string[], { random }: Environment): string {
  const [byte = 0] = random(1)
  const address = addresses[byte % addresses.length]
  if (address === undefined) throw new FuncError('invalid argument to Intn')
  return address
}

function required(message: string, value: Value): Value {
  if (value === null || value === '') throw new FuncError(warn(message))
  return value
}

function fail(message: string): string {
  throw new FuncError(warn(message))
}
