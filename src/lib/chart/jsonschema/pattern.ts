/** Regular expressions of schemas: Go's, in linear time. */

import { Budget } from '../../gotemplate/environment.ts'
import { compile } from '../../gotemplate/sprig/pattern.ts'
import type { Pattern } from './schema.ts'

/** @throws Error with Go's text for a malformed expression. */
export function compilePattern(source: string): Pattern {
  const compiled = compile(source, new Budget())
  return { source, test: (text) => compiled.isMatch(text, new Budget()) }
}
