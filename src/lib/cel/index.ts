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
   * @param variables JSON values, or values made ready, by the names that were declared.
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

/** Of the processor: a sensible expression takes a thousandth of it. */
const timeLimitMs = 50
const longestWaitMs = 500

const limits = { maxAstNodes: 10_000, maxDepth: 100, maxListElements: 1_000, maxMapEntries: 1_000, maxCallArguments: 32 }

/** A compiled expression that gives a value. */
export interface Expression {
  /** @throws Error naming the expression, for a missing field or when it takes too long. */
  evaluate(variables: Readonly<Record<string, unknown>>): unknown
}

/** A value made ready once for many evaluations: what is large need not be converted for each. */
export class CelValue {
  readonly value: unknown

  private constructor(value: unknown) {
    this.value = value
  }

  /** Of a JSON value. */
  static of(json: unknown): CelValue {
    return new CelValue(asCel(json))
  }

  /** Of results of evaluations by name. */
  static map(results: ReadonlyMap<string, unknown>): CelValue {
    return new CelValue(Object.fromEntries(results))
  }
}

/** @throws ParseError for what does not parse, or has another type than bool. */
export function compileCondition(expression: string, options: ConditionOptions = {}): Condition {
  const compiled = compile(expression, { ...options, type: 'bool' })
  return {
    holds(values) {
      const result = compiled.evaluate(values)
      if (typeof result === 'boolean') return result
      throw new Error(`failed to evaluate CEL expression as boolean: '${expression}'`)
    },
  }
}

/** An expression that gives a text. @throws ParseError for what does not parse, or has another type than string. */
export function compileText(
  expression: string,
  options: ConditionOptions = {},
): { evaluate(variables: Readonly<Record<string, unknown>>): string } {
  const compiled = compile(expression, { ...options, type: 'string' })
  return {
    evaluate(values) {
      const result = compiled.evaluate(values)
      if (typeof result === 'string') return result
      throw new Error(`failed to evaluate CEL expression as string: '${expression}'`)
    },
  }
}

/** @throws ParseError for what does not parse, or has another type than the one asked for. */
export function compile(
  expression: string,
  { variables, type }: ConditionOptions & { readonly type?: ResultType } = {},
): Expression {
  const environment = new Environment({ enableOptionalTypes: true, unlistedVariablesAreDyn: variables === undefined, limits })
  registerFunctions(environment)
  for (const name of variables ?? []) environment.registerVariable(name, 'map<string, dyn>')
  const program = parsed(expression, environment)
  if (variables) assertType(expression, program.check(), type)
  return {
    evaluate(values) {
      try {
        return bounded(() => program(asCel(values)))
      } catch (error) {
        throw new Error(`failed to evaluate the CEL expression '${expression}': ${firstLine(error)}`, { cause: error })
      }
    },
  }
}

type ResultType = 'bool' | 'string'

function parsed(expression: string, environment: Environment) {
  try {
    return environment.parse(serialize(useOwnMatches(environment.parse(expression).ast)))
  } catch (error) {
    throw new ParseError(`failed to parse the CEL expression '${expression}': ${firstLine(error)}`, {}, { cause: error })
  }
}

/** A field of an object may turn out to be of the right type: only an evaluation tells, except where a bool is asked for. */
function assertType(expression: string, { valid, type, error }: TypeCheckResult, wanted: ResultType | undefined): void {
  if (!valid) throw new ParseError(`failed to parse the CEL expression '${expression}': ${firstLine(error)}`)
  if (wanted === undefined || type === wanted || (wanted === 'string' && type === 'dyn')) return
  throw new ParseError(`CEL expression output type mismatch: expected ${wanted}, got ${type}`)
}

/** Messages go on with an excerpt of the expression over several lines. */
function firstLine(error: unknown): string {
  return messageOf(error).split('\n')[0] ?? ''
}

/**
 * Runs a function without effects, and ends it wherever it is once it has used its time. What ends it looks at the clock, which goes on
 * while other programs have the processor: then it gets another try. It costs a tenth of a millisecond.
 */
function bounded<T>(run: () => T): T {
  const script = new Script('run()')
  const context = createContext({ run })
  for (let timeout = timeLimitMs; ; timeout *= 4) {
    const before = process.threadCpuUsage()
    try {
      return script.runInContext(context, { timeout })
    } catch (error) {
      const { user, system } = process.threadCpuUsage(before)
      const wasHeldUp = (user + system) / 1000 < timeLimitMs
      if (!wasHeldUp || timeout > longestWaitMs || !isTimeout(error)) throw error
    }
  }
}

/** It is an error of the context, and none of ours. */
function isTimeout(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
}

/** Integers as CEL has them: without, `replicas + 1` is an error. */
function asCel<T>(value: T): T {
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value) as T
  if (Array.isArray(value)) return value.map(asCel) as T
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof CelValue) return value.value as T
  const entries = Object.entries(value).map(([key, inner]) => [key, asCel(inner)] as const)
  // cel-js tells types by their constructor: an entry of that name would be taken for it.
  return (Object.hasOwn(value, 'constructor') ? new Map(entries) : Object.fromEntries(entries)) as T
}
