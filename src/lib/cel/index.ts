/**
 * CEL as Flux sets it up: optional types, string, list, set and encoding functions. Expressions come from users: their size is limited,
 * and an evaluation that takes too long is ended. Source: github.com/fluxcd/pkg/runtime/cel.
 */
import { createContext, Script } from 'node:vm'
import { Environment, serialize, type TypeCheckResult } from '@marcbachmann/cel-js'
import { messageOf, ParseError } from '../errors.ts'
import { registerFunctions, useOwnMatches } from './functions.ts'

/** A compiled expression that says yes or no. */
export interface Condition {
  /**
   * @param variables JSON values by the names that were declared.
   * @throws Error naming the expression, for a missing field, a result that is no boolean, or when it takes too long.
   */
  holds(variables: Readonly<Record<string, unknown>>): boolean
}

export interface ConditionOptions {
  /**
   * Names of objects that the expression may use; it is then type-checked and must be a boolean for certain. Absent: any name, not checked.
   */
  readonly variables?: readonly string[]
}

/** A sensible expression takes a thousandth of it. */
const timeLimitMs = 50

const limits = { maxAstNodes: 10_000, maxDepth: 100, maxListElements: 1_000, maxMapEntries: 1_000, maxCallArguments: 32 }

/** @throws ParseError for what does not parse, or has another type than bool. */
export function compileCondition(expression: string, { variables }: ConditionOptions = {}): Condition {
  const environment = new Environment({ enableOptionalTypes: true, unlistedVariablesAreDyn: variables === undefined, limits })
  registerFunctions(environment)
  for (const name of variables ?? []) environment.registerVariable(name, 'map<string, dyn>')
  const program = parsed(expression, environment)
  if (variables) assertBoolean(expression, program.check())
  return {
    holds(values) {
      let result: unknown
      try {
        result = bounded(() => program(asCel(values)))
      } catch (error) {
        throw new Error(`failed to evaluate the CEL expression '${expression}': ${firstLine(error)}`, { cause: error })
      }
      if (typeof result === 'boolean') return result
      throw new Error(`failed to evaluate CEL expression as boolean: '${expression}'`)
    },
  }
}

function parsed(expression: string, environment: Environment) {
  try {
    return environment.parse(serialize(useOwnMatches(environment.parse(expression).ast)))
  } catch (error) {
    throw new ParseError(`failed to parse the CEL expression '${expression}': ${firstLine(error)}`, {}, { cause: error })
  }
}

function assertBoolean(expression: string, { valid, type, error }: TypeCheckResult): void {
  if (!valid) throw new ParseError(`failed to parse the CEL expression '${expression}': ${firstLine(error)}`)
  if (type !== 'bool') throw new ParseError(`CEL expression output type mismatch: expected bool, got ${type}`)
}

/** Messages go on with an excerpt of the expression over several lines. */
function firstLine(error: unknown): string {
  return messageOf(error).split('\n')[0] ?? ''
}

/** Runs a function, and ends it after the time limit wherever it is. It costs a tenth of a millisecond. */
function bounded<T>(run: () => T): T {
  return new Script('run()').runInContext(createContext({ run }), { timeout: timeLimitMs })
}

/** Integers as CEL has them: without, `replicas + 1` is an error. */
function asCel<T>(value: T): T {
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value) as T
  if (Array.isArray(value)) return value.map(asCel) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, asCel(inner)])) as T
}
