/** sprig's crypto functions. */

import type { Environment } from '../environment.ts'
import type { Func } from '../func.ts'

/** The functions by name. Source: sprig. */
export function cryptoFunctions(_env: Environment): ReadonlyMap<string, Func> {
  return new Map()
}
