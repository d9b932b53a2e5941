/** JSON documents whose numbers keep their spelling, and the values that are checked against them. */

import { BuildError } from '../../errors.ts'
import { printValue } from '../../gotemplate/format.ts'
import { parseGoJson } from '../../gotemplate/gojson.ts'
import { Int, type Value } from '../../gotemplate/value.ts'
import { isTable } from '../table.ts'

/** A number of a document, as it is written there: json.Number. */
export class Literal {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** A value to check: of a document, or of a template's values. */
export type Doc = Value | Literal | readonly Doc[] | ReadonlyMap<string, Doc>

export type DocType = 'null' | 'boolean' | 'number' | 'string' | 'array' | 'object'

/** undefined for what JSON has no type for. */
export function typeOfDoc(doc: Doc): DocType | undefined {
  if (doc === null) return 'null'
  if (typeof doc === 'boolean') return 'boolean'
  if (typeof doc === 'string') return 'string'
  if (doc instanceof Literal || doc instanceof Int) return 'number'
  if (typeof doc === 'number') return Number.isFinite(doc) ? 'number' : undefined
  if (isArray(doc)) return 'array'
  return isObject(doc) ? 'object' : undefined
}

export function isArray(doc: Doc | undefined): doc is readonly Doc[] {
  return Array.isArray(doc)
}

export function isObject(doc: Doc | undefined): doc is ReadonlyMap<string, Doc> {
  return doc instanceof Map && isTable(doc)
}

/** As Go's `%v` prints a number: that of a document as it is written. */
export function numberText(doc: Literal | Int | number): string {
  return doc instanceof Literal ? doc.text : printValue(doc)
}

export function isNumber(doc: Doc | undefined): doc is Literal | Int | number {
  return doc instanceof Literal || doc instanceof Int || typeof doc === 'number'
}

/** Whoever writes longer ones wants to use up time. */
const longestNumber = 1000

/** JSON.parse source text access (ES2026), which TypeScript's library does not declare yet. */
const sourceText = JSON as unknown as {
  parse(text: string, reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown): unknown
}

/**
 * Parses a document.
 * @throws BuildError with encoding/json's text.
 */
export function parseDocument(text: string): Doc {
  try {
    return docOf(sourceText.parse(text, (_key, value, { source }) => (typeof value === 'number' ? literal(source ?? '') : value)))
  } catch (error) {
    if (error instanceof SyntaxError) throw new BuildError(syntaxProblem(text), {}, { cause: error })
    throw new BuildError('exceeded max depth', {}, { cause: error })
  }
}

function literal(text: string): Literal {
  if (text.length > longestNumber) throw new BuildError(`a number of ${text.length} digits is longer than is allowed`)
  return new Literal(text)
}

/** What Go's streaming decoder says, which differs from its parser of whole texts. */
function syntaxProblem(text: string): string {
  if (text.trim() === '') return 'EOF'
  try {
    parseGoJson(text)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const isCut = message === 'unexpected end of JSON input' || (message.startsWith("invalid character ' '") && !/\s$/.test(text))
    if (isCut) return 'unexpected EOF'
    return message.includes('after top-level value') ? 'invalid character after top-level value' : message
  }
  return 'invalid JSON'
}

function docOf(json: unknown): Doc {
  if (Array.isArray(json)) return json.map(docOf)
  if (json instanceof Literal || typeof json === 'string' || typeof json === 'boolean') return json
  if (typeof json !== 'object' || json === null) return null
  return new Map(Object.entries(json).map(([key, item]) => [key, docOf(item)]))
}

/** Whether two documents are equal; numbers by their value, not their spelling. `spend` is told of each part that is compared. */
export function equalDocs(a: Doc, b: Doc, spend: () => void): boolean {
  spend()
  if (isNumber(a)) return isNumber(b) && compareDecimals(decimalOf(numberText(a)), decimalOf(numberText(b))) === 0
  if (isArray(a)) return isArray(b) && a.length === b.length && a.every((item, index) => equalDocs(item, b[index] ?? null, spend))
  if (!isObject(a)) return a === b
  if (!isObject(b) || a.size !== b.size) return false
  return [...a].every(([key, item]) => b.has(key) && equalDocs(item, b.get(key) ?? null, spend))
}

/** The same text for equal documents. `spend` is told of each part. */
export function canonicalText(doc: Doc, spend: () => void): string {
  spend()
  if (isNumber(doc)) return decimalText(decimalOf(numberText(doc)))
  if (isArray(doc)) return `[${doc.map((item) => canonicalText(item, spend)).join(',')}]`
  if (!isObject(doc)) return JSON.stringify(doc)
  return `{${[...doc.keys()].sort().map((key) => `${JSON.stringify(key)}:${canonicalText(doc.get(key) ?? null, spend)}`)}}`
}

/** `digits * 10^exponent`, exactly; digits without zeros at the end. */
export interface Decimal {
  readonly digits: bigint
  readonly exponent: number
}

/** Exponents beyond this are taken for it: who needs them wants to use up memory. */
const largestExponent = 5000

/** The value of a number's text. */
export function decimalOf(text: string): Decimal {
  const [mantissa = '', exponentText = '0'] = text.toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  const exponent = Math.max(-largestExponent, Math.min(largestExponent, Number(exponentText)))
  const significant = (whole + fraction).replace(/0+$/, '')
  const zeros = whole.length + fraction.length - significant.length
  const digits = BigInt(significant === '' || significant === '-' ? 0 : significant)
  return { digits, exponent: digits === 0n ? 0 : exponent - fraction.length + zeros }
}

export function compareDecimals(a: Decimal, b: Decimal): number {
  const lowest = Math.min(a.exponent, b.exponent)
  const difference = scaled(a, lowest) - scaled(b, lowest)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

export function isWhole({ exponent }: Decimal): boolean {
  return exponent >= 0
}

/** Whether `a` is a whole multiple of `b`. */
export function isMultiple(a: Decimal, b: Decimal): boolean {
  const lowest = Math.min(a.exponent, b.exponent)
  return scaled(a, lowest) % scaled(b, lowest) === 0n
}

/** The nearest float64. */
export function decimalNumber(decimal: Decimal): number {
  return Number(decimalText(decimal))
}

function decimalText({ digits, exponent }: Decimal): string {
  return `${digits}e${exponent}`
}

function scaled({ digits, exponent }: Decimal, lowest: number): bigint {
  return digits * 10n ** BigInt(exponent - lowest)
}
