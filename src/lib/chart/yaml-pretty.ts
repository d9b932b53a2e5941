/** `toYamlPretty`: values as go-yaml 3 prints them, without the way through JSON. Source: go.yaml.in/yaml/v3 encode.go, emitterc.go. */

import { Bytes, bytesOf, Complex, Int, isList, itemsOf, Slice, type Struct, type Value } from '../gotemplate/value.ts'
import { compareKeys, doubleQuoted, formatFloat, isPlainText, resolveTag } from '../yaml/index.ts'

/**
 * Prints a value as one document that ends with a newline: lists indented by two, long lines as they are.
 * @throws Error for what YAML cannot say.
 */
export function emitPretty(value: Value): string {
  return `${withoutBreak(print(value, 0))}\n`
}

/** A collection begins with a line break, so that its first line stands below its key. */
function print(value: Value, indent: number): string {
  if (typeof value === 'string') return printText(value, Math.max(indent, 2))
  if (value === null) return 'null'
  if (typeof value === 'boolean') return String(value)
  if (typeof value === 'number') return printFloat(value)
  if (value instanceof Map)
    return printMap(
      [...value].sort(([a], [b]) => compareKeys(a, b)),
      indent,
    )
  if (isList(value) || value instanceof Slice || value instanceof Bytes) return printList(itemsOf(value) ?? [], indent)
  if (value instanceof Int) return value.type.text?.(value) ?? value.value.toString()
  if (value instanceof Complex) throw new Error('cannot marshal type: complex128')
  return printStruct(value, indent)
}

function printFloat(value: number): string {
  if (Number.isNaN(value)) return '.nan'
  if (!Number.isFinite(value)) return value > 0 ? '.inf' : '-.inf'
  return Object.is(value, -0) ? '-0' : formatFloat(value)
}

function printList(items: readonly Value[], indent: number): string {
  if (items.length === 0) return '[]'
  const pad = `\n${' '.repeat(indent)}- `
  return items.map((item) => pad + beside(print(item, indent + 2), indent + 2)).join('')
}

/** The first line of a collection goes on in the line of the dash. */
function beside(text: string, indent: number): string {
  return text.startsWith('\n') ? text.slice(1 + indent) : text
}

function printMap(entries: readonly (readonly [string, Value])[], indent: number): string {
  if (entries.length === 0) return '{}'
  const pad = `\n${' '.repeat(indent)}`
  return entries.map(([key, value]) => pad + printPair(key, value, indent)).join('')
}

function printPair(key: string, value: Value, indent: number): string {
  const printed = print(value, indent + 2)
  if (!isSimpleKey(key)) {
    const pad = ' '.repeat(indent)
    return `? ${printText(key, indent + 2)}\n${pad}: ${beside(printed, indent + 2)}`
  }
  return `${printText(key, indent + 2)}:${printed.startsWith('\n') ? '' : ' '}${printed}`
}

const longestKey = 128

function isSimpleKey(key: string): boolean {
  return !/[\n\r\x85\u2028\u2029]/.test(key) && Buffer.byteLength(key) <= longestKey
}

/** Fields by their names in lower case; times are texts. */
function printStruct(struct: Struct, indent: number): string {
  const { type, fields } = struct
  if (fields === undefined) return 'null'
  if (type.name.endsWith('time.Time')) return type.marshalJson?.(struct).slice(1, -1) ?? ''
  const names = (type.kind === 'ptr' ? type.elem : type)?.fields ?? []
  return printMap(
    names.map(({ name }) => [name.toLowerCase(), fields.get(name) ?? null]),
    indent,
  )
}

function printText(text: string, indent: number): string {
  if (!text.isWellFormed()) return `!!binary ${Buffer.from(bytesOf(text)).toString('base64')}`
  if (text.includes('\n')) return mayBeBlock(text) ? printLiteral(text, indent) : doubleQuoted(text)
  if (resolveTag(text, 'kyaml') !== '!!str' || looksOld(text)) return doubleQuoted(text)
  if (isPlainText(text)) return text
  return mayBeSingle(text) ? printSingle(text, indent) : doubleQuoted(text)
}

/** Booleans and base 60 numbers of YAML 1.1, which readers of it would take for what they were. */
function looksOld(text: string): boolean {
  return (
    /^(?:[yY]|yes|Yes|YES|on|On|ON|[nN]|no|No|NO|off|Off|OFF)$/.test(text) ||
    /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$/.test(text)
  )
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const special = /[\0-\x08\x0b-\x1f\x7f-\x9f\u{10000}-\u{10ffff}\ufeff\ufffe\uffff]/u

function mayBeBlock(text: string): boolean {
  return !text.endsWith(' ') && !/ [\n\u2028\u2029]/.test(text) && !special.test(text)
}

function mayBeSingle(text: string): boolean {
  return !special.test(text) && !/\t| [\u2028\u2029]|[\u2028\u2029] /.test(text)
}

/** What follows the two breaks that JavaScript knows as line separators is indented. */
function printSingle(text: string, indent: number): string {
  const quoted = text.replaceAll("'", "''")
  return `'${quoted.replace(/([\u2028\u2029])(?![\u2028\u2029]|$)/g, `$1${' '.repeat(indent)}`)}'`
}

function printLiteral(text: string, indent: number): string {
  const hint = /^[ \n]/.test(text) ? '2' : ''
  const chomping = text.endsWith('\n\n') || text === '\n' ? '+' : text.endsWith('\n') ? '' : '-'
  const lines = (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n')
  const pad = ' '.repeat(indent)
  return `|${hint}${chomping}${lines.map((line) => (line === '' ? '\n' : `\n${pad}${line}`)).join('')}`
}

function withoutBreak(text: string): string {
  return text.startsWith('\n') ? text.slice(1) : text
}
