/** Expansions → text. */
import { ParseError } from '../errors.ts'
import { keepsUnset, type Limits, operatorOf } from './operators.ts'
import { type Expansion, type Fragment, parse } from './parse.ts'

export interface SubstituteOptions {
  /** Whether a reference to an unknown variable is an error, where no default stands beside it. */
  readonly strict: boolean
  /** Longest text that may come out, in UTF-16 units; 32 Mi unless told. */
  readonly maxLength?: number
}

/**
 * Replaces `${…}` in a text; `$name` stays as it is and `$$` becomes `$`.
 * @throws ParseError for a malformed expansion, in strict mode for an unknown variable (`variable not set (strict mode): "x"`), and when
 * the result would be too large.
 */
export function substitute(text: string, variables: ReadonlyMap<string, string>, options: SubstituteOptions): string {
  if (!text.includes('$')) return text
  const { strict, maxLength = 32 * 2 ** 20 } = options
  const limits = { maxLength, work: 0, maxWork: 20_000_000 }
  return join(parse(text), (expansion) => expand(expansion, variables, strict, limits), limits)
}

function expand(
  expansion: Expansion,
  variables: ReadonlyMap<string, string>,
  strict: boolean,
  limits: Limits & { work: number },
): string {
  const inner = (nested: Expansion) => expand(nested, variables, strict, limits)
  const words = expansion.arguments.map((argument) => join([argument], inner, limits))
  const value = variables.get(expansion.name)
  if (value === undefined && strict && !keepsUnset(expansion.operator)) {
    throw new ParseError(`variable not set (strict mode): "${expansion.name}"`)
  }
  return operatorOf(expansion.operator, words.length)(value ?? '', words, limits)
}

function join(fragments: readonly Fragment[], inner: (expansion: Expansion) => string, limits: Limits): string {
  let length = 0
  const texts: string[] = []
  for (const fragment of fragments) {
    const text = typeof fragment === 'string' ? fragment : inner(fragment)
    length += text.length
    if (length > limits.maxLength) throw tooLarge(limits)
    texts.push(text)
  }
  return texts.join('')
}

function tooLarge(limits: Limits): ParseError {
  return new ParseError(`the text after substitution is larger than ${limits.maxLength} characters`)
}
