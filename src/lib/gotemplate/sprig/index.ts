/**
 * sprig: the functions that Helm's templates have besides Go's. One file for each family, with a function that gives its Funcs by name.
 * Source: Masterminds/sprig v3.3.0, without env and expandenv, which Helm takes away.
 */

import { type Budget, type Environment, LimitError } from '../environment.ts'
import { type Func, FuncError, func, p } from '../func.ts'
import { isList, Slice, type Value } from '../value.ts'
import { cryptoFunctions } from './crypto.ts'
import { dateFunctions } from './date.ts'
import { defaultFunctions } from './defaults.ts'
import { dictFunctions } from './dicts.ts'
import { encodingFunctions } from './encoding.ts'
import { listFunctions } from './lists.ts'
import { mathFunctions } from './math.ts'
import { pathFunctions } from './paths.ts'
import { randomFunctions } from './random.ts'
import { reflectFunctions } from './reflect.ts'
import { regexFunctions } from './regex.ts'
import { semverFunctions } from './semver.ts'
import { stringFunctions } from './strings.ts'
import { urlFunctions } from './url.ts'

/** All functions of sprig by name, for one execution: what they do is charged to its budget. */
export function sprigFunctions(env: Environment): ReadonlyMap<string, Func> {
  const families = [
    stringFunctions(env),
    listFunctions(env),
    dictFunctions(env),
    mathFunctions(env),
    defaultFunctions(env),
    reflectFunctions(env),
    regexFunctions(env),
    pathFunctions(),
    encodingFunctions(),
    urlFunctions(),
    semverFunctions(),
    cryptoFunctions(env),
    dateFunctions(env),
    randomFunctions(env),
    otherFunctions(),
  ]
  const functions = new Map<string, Func>()
  for (const family of families) for (const [name, each] of family) functions.set(name, metered(each, env.budget))
  return functions
}

function otherFunctions(): ReadonlyMap<string, Func> {
  return new Map([
    ['fail', func([p.string], p.string, fail)],
    // As Helm has it unless DNS is enabled, which a library without network cannot.
    ['getHostByName', func([p.string], p.string, (_name) => '')],
  ])
}

function fail(message: string): never {
  throw new FuncError(message)
}

/** Charges for reading the arguments and for the text that comes out; what makes more of them has to check that before. */
function metered(each: Func, budget: Budget): Func {
  const call = (args: readonly Value[]) => {
    let work = 1
    for (const arg of args) work += sizeOf(arg)
    budget.steps(work)
    const result = bounded(() => each.call(args))
    if (typeof result === 'string') budget.text(result.length)
    return result
  }
  return { ...each, call }
}

/** In steps. Lists count because most functions copy them, dicts do not because most look up one key. */
function sizeOf(value: Value): number {
  if (typeof value === 'string') return value.length >> 7
  if (isList(value)) return value.length >> 2
  return value instanceof Slice ? value.items.length >> 2 : 0
}

/** What lies too deep within itself uses up JavaScript's stack. */
function bounded<Result>(run: () => Result): Result {
  try {
    return run()
  } catch (error) {
    if (error instanceof RangeError) throw new LimitError('a value of the template is nested too deeply', { cause: error })
    throw error
  }
}
