/** What a check found, and how it is told. Source: santhosh-tekuri/jsonschema v6 output.go, kind.go. */

import { LimitError } from '../../gotemplate/environment.ts'
import { formatFloat } from '../../gotemplate/format-float.ts'
import { quote } from '../../gotemplate/strconv.ts'
import { type Doc, isArray, isNumber, isObject, numberText } from './document.ts'
import { escapeToken } from './location.ts'

/** Names and indexes that lead to a value, the last one first. */
export interface Path {
  readonly name: string
  readonly parent: Path | undefined
}

export interface Failure {
  /** Where in the value. */
  readonly path: Path | undefined
  /** Made only when it is shown: most failures inside `anyOf` and `not` never are. */
  readonly message: () => string
  readonly causes: readonly Failure[]
  /** `group` holds several of one schema, `reference` what is behind a `$ref`, `root` all of a document. */
  readonly role: 'plain' | 'group' | 'reference' | 'root'
}

/** Nobody reads more. */
const mostLines = 100_000

/** The lines of a failure and its causes. @throws LimitError for more than anybody reads. */
export function describe(failure: Failure): string {
  const lines: string[] = []
  addLines(lines, failure, 0)
  return lines.join('\n')
}

function addLines(lines: string[], failure: Failure, indent: number): void {
  // A reference that hides a single cause says nothing.
  const isShown = failure.role !== 'reference' || failure.causes.length !== 1
  if (lines.length >= mostLines) throw new LimitError('the values break the schema in more ways than can be told')
  if (isShown) lines.push(bullet(indent) + ownLine(failure))
  for (const cause of failure.causes) addLines(lines, cause, isShown ? indent + 1 : indent)
}

function bullet(indent: number): string {
  return indent === 0 ? '' : `${'  '.repeat(indent - 1)}- `
}

function ownLine({ role, path, message }: Failure): string {
  return role === 'root' ? message() : `at ${quoted(pointerTo(path))}: ${message()}`
}

/** The JSON pointer to a value. */
export function pointerTo(path: Path | undefined): string {
  const tokens: string[] = []
  for (let at = path; at; at = at.parent) tokens.push(`/${escapeToken(at.name)}`)
  return tokens.reverse().join('')
}

/** In single quotes, otherwise as Go quotes. */
export function quoted(text: string): string {
  return `'${quote(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`
}

export function quotedList(texts: readonly string[]): string {
  return texts.map(quoted).join(', ')
}

/** A value in a message. */
export function display(doc: Doc): string {
  if (typeof doc === 'string') return quoted(doc)
  if (isArray(doc) || isObject(doc)) return 'value'
  if (isNumber(doc)) return numberText(doc)
  return doc === null ? '<nil>' : String(doc)
}

/** A count as golang.org/x/text prints it in English: `1,000`. */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',')
}

const superscripts = '⁰¹²³⁴⁵⁶⁷⁸⁹'

/** A float as golang.org/x/text prints it in English: `1,234.5`, `1×10⁰⁶`. */
export function localized(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '-∞'
  const [mantissa = '', exponent] = formatFloat(value, 'g').split('e')
  const [whole = '', fraction] = mantissa.split('.')
  const grouped = count(Number(whole)).replace(/^0/, whole.startsWith('-') ? '-0' : '0')
  const number = fraction === undefined ? grouped : `${grouped}.${fraction}`
  if (exponent === undefined) return number
  const raised = exponent
    .replace('+', '')
    .replace('-', '⁻')
    .replaceAll(/\d/g, (digit) => superscripts[Number(digit)] ?? '')
  return `${number}×10${raised}`
}
