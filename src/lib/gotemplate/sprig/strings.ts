/** sprig's string functions. Source: sprig strings.go and functions.go, Go strings, Masterminds/goutils. */

import type { Budget, Environment } from '../environment.ts'
import { sprint } from '../format.ts'
import { type Func, FuncError, func, p, variadic } from '../func.ts'
import { quote as quoteText } from '../strconv.ts'
import { compareText, isList, itemsOf, Slice, stringMap, stringSlice, strings, TypedMap, type Value } from '../value.ts'
import { isDigit, isLetter, isLower, isTitle, isUpper, lowerRune, titleRune, upperRune } from './letters.ts'
import {
  binary,
  byteLength,
  canonical,
  fromBinary,
  isAscii,
  isSpace,
  matching,
  runes,
  strval,
  trimSpace,
  validText,
} from './text.ts'
import { camelCase, kebabCase, snakeCase } from './words.ts'
import { wrap } from './wrap.ts'

export function stringFunctions({ budget }: Environment): ReadonlyMap<string, Func> {
  const text = (run: (text: string) => string) => func([p.string], p.string, run)
  const test = (run: (part: string, text: string) => boolean) => func([p.string, p.string], p.bool, run)
  const trim = func([p.string, p.string], p.string, trimAll)
  const splitAll = (value: string, separator: string, count?: number) => {
    const parts = split(value, separator, count)
    budget.steps(parts.length)
    return parts
  }
  return new Map<string, Func>([
    ['abbrev', func([p.int, p.string], p.string, (width, value) => abbreviate(value, 0, Number(width)))],
    ['abbrevboth', func([p.int, p.int, p.string], p.string, abbreviateBoth)],
    ['trunc', func([p.int, p.string], p.string, truncate)],
    ['trim', text(trimSpace)],
    ['upper', text(upper)],
    ['lower', text(lower)],
    ['title', text(title)],
    ['untitle', text(untitle)],
    ['swapcase', text(swapCase)],
    ['substr', func([p.int, p.int, p.string], p.string, substring)],
    ['repeat', func([p.int, p.string], p.string, (count, value) => repeat(value, count, budget))],
    ['trimall', trim],
    ['trimAll', trim],
    ['trimSuffix', func([p.string, p.string], p.string, trimSuffix)],
    ['trimPrefix', func([p.string, p.string], p.string, trimPrefix)],
    ['nospace', text(deleteSpace)],
    ['initials', text(initials)],
    ['snakecase', text(snakeCase)],
    ['camelcase', text(camelCase)],
    ['kebabcase', text(kebabCase)],
    [
      'wrap',
      func([p.int, p.string], p.string, (width, value) => wrap(value, { width, separator: '\n', cutsWords: false }, budget)),
    ],
    [
      'wrapWith',
      func([p.int, p.string, p.string], p.string, (width, separator, value) => wrapWith(value, width, separator, budget)),
    ],
    ['contains', test((part, value) => matching(part, value, (a, b) => b.includes(a)))],
    ['hasPrefix', test(hasPrefix)],
    ['hasSuffix', test(hasSuffix)],
    ['quote', func([variadic(p.any)], p.string, (values) => eachNotNil(values, (value) => quoteText(strval(value))))],
    ['squote', func([variadic(p.any)], p.string, (values) => eachNotNil(values, (value) => `'${sprint([value])}'`))],
    ['cat', func([variadic(p.any)], p.string, (values) => eachNotNil(values, (value) => sprint([value])))],
    ['indent', func([p.int, p.string], p.string, (spaces, value) => indent(value, spaces, budget))],
    ['nindent', func([p.int, p.string], p.string, (spaces, value) => `\n${indent(value, spaces, budget)}`)],
    ['replace', func([p.string, p.string, p.string], p.string, (old, by, value) => replace(value, old, by, budget))],
    ['plural', func([p.string, p.string, p.int], p.string, (one, many, count) => (count === 1n ? one : many))],
    ['toString', func([p.any], p.string, strval)],
    ['toStrings', func([p.any], p.strings, stringList)],
    ['split', func([p.string, p.string], p.stringMap, (separator, value) => numbered(splitAll(value, separator)))],
    [
      'splitn',
      func([p.string, p.int, p.string], p.stringMap, (separator, count, value) =>
        numbered(splitAll(value, separator, Number(count))),
      ),
    ],
    ['splitList', func([p.string, p.string], p.strings, (separator, value) => strings(splitAll(value, separator)))],
    ['join', func([p.string, p.any], p.string, (separator, value) => join(value, separator, budget))],
    ['sortAlpha', func([p.any], p.strings, sortAlpha)],
    ['hello', func([], p.string, () => 'Hello!')],
  ])
}

/** Maps runes; what is not UTF-8 becomes U+FFFD. Source: Go strings.Map. */
function mapRunes(text: string, map: (rune: string) => string): string {
  let mapped = ''
  for (const rune of validText(text)) mapped += map(rune)
  return mapped
}

function upper(text: string): string {
  return isAscii(text) ? text.toUpperCase() : mapRunes(text, upperRune)
}

function lower(text: string): string {
  return isAscii(text) ? text.toLowerCase() : mapRunes(text, lowerRune)
}

/** Source: Go strings.Title. */
function title(text: string): string {
  let previous = ' '
  return mapRunes(text, (rune) => {
    const starts = isSeparator(previous)
    previous = rune
    return starts ? titleRune(rune) : rune
  })
}

function isSeparator(rune: string): boolean {
  if (/[0-9A-Za-z_]/.test(rune)) return false
  if (rune <= '\x7f') return true
  return !isLetter(rune) && !isDigit(rune) && isSpace(rune)
}

/** Source: goutils.Uncapitalize. */
function untitle(text: string): string {
  let starts = true
  return mapRunes(text, (rune) => {
    const mapped = starts && !isSpace(rune) ? lowerRune(rune) : rune
    starts = isSpace(rune)
    return mapped
  })
}

/** A lower case letter at the start of a word gets title case. Source: goutils.SwapCase. */
function swapCase(text: string): string {
  let starts = true
  return mapRunes(text, (rune) => {
    if (isUpper(rune) || isTitle(rune)) {
      starts = false
      return lowerRune(rune)
    }
    if (isLower(rune)) {
      const mapped = starts ? titleRune(rune) : upperRune(rune)
      starts = false
      return mapped
    }
    starts = isSpace(rune)
    return rune
  })
}

/** Looks at bytes as if they were runes, and so spoils what is not ASCII when it deletes. Source: goutils.DeleteWhiteSpace. */
function deleteSpace(text: string): string {
  const bytes = binary(text)
  const kept = Array.from(bytes).filter((byte) => !isSpace(byte))
  return kept.length === bytes.length ? text : kept.join('')
}

/** Looks at bytes as if they were runes. Source: goutils.Initials. */
function initials(text: string): string {
  let found = ''
  let starts = true
  for (const byte of binary(text)) {
    if (isSpace(byte)) starts = true
    else if (starts) {
      found += byte
      starts = false
    }
  }
  return found
}

function abbreviateBoth(left: bigint, right: bigint, text: string): string {
  if (right < 4n || (left > 0n && right < 7n)) return text
  return abbreviate(text, Number(left), Number(right))
}

/** Source: goutils.AbbreviateFull. */
function abbreviate(text: string, from: number, width: number): string {
  const bytes = binary(text)
  if (width < 4 || bytes.length <= width) return text
  return fromBinary(abbreviateBytes(bytes, from, width))
}

function abbreviateBytes(bytes: string, from: number, width: number): string {
  if (bytes.length <= width) return bytes
  const room = width - 3
  const offset = Math.min(from, bytes.length, bytes.length - room)
  if (offset <= 4) return `${bytes.slice(0, room)}...`
  if (offset + room >= bytes.length) return `...${bytes.slice(bytes.length - room)}`
  return `...${abbreviateBytes(bytes.slice(offset), 0, room)}`
}

function truncate(count: bigint, text: string): string {
  const bytes = binary(text)
  const length = Number(count)
  if (length < 0 && bytes.length + length > 0) return fromBinary(bytes.slice(bytes.length + length))
  if (length >= 0 && bytes.length > length) return fromBinary(bytes.slice(0, length))
  return text
}

function substring(start: bigint, end: bigint, text: string): string {
  const bytes = binary(text)
  const length = BigInt(bytes.length)
  const upTo = start >= 0n && (end < 0n || end > length) ? length : end
  const from = start < 0n ? 0n : start
  if (upTo < 0n) throw outOfRange(`[:${upTo}]`)
  if (upTo > length) throw outOfRange(`[:${upTo}] with length ${length}`)
  if (from > upTo) throw outOfRange(`[${from}:${upTo}]`)
  return fromBinary(bytes.slice(Number(from), Number(upTo)))
}

function outOfRange(range: string): FuncError {
  return new FuncError(`runtime error: slice bounds out of range ${range}`)
}

/** @throws FuncError, with the words of Go's panic. Source: Go strings.Repeat. */
function repeat(text: string, count: bigint, budget: Budget): string {
  if (count < 0n) throw new FuncError('strings: negative Repeat count')
  const length = BigInt(byteLength(text)) * count
  if (length >= 2n ** 63n) throw new FuncError('strings: Repeat output length overflow')
  budget.checkText(Number(length))
  return canonical(text.repeat(text === '' ? 0 : Number(count)))
}

function indent(text: string, spaces: bigint, budget: Budget): string {
  const pad = repeat(' ', spaces, budget)
  const lines = text.split('\n')
  budget.checkText(text.length + lines.length * pad.length)
  return pad + lines.join(`\n${pad}`)
}

/** Source: Go strings.Trim. */
function trimAll(cutset: string, text: string): string {
  const cut = new Set(validText(cutset))
  const all = runes(text)
  let start = 0
  let end = all.length
  while (start < end && cut.has(validText(all[start] ?? ''))) start++
  while (end > start && cut.has(validText(all[end - 1] ?? ''))) end--
  return all.slice(start, end).join('')
}

function hasPrefix(prefix: string, text: string): boolean {
  return matching(prefix, text, (a, b) => b.startsWith(a))
}

function hasSuffix(suffix: string, text: string): boolean {
  return matching(suffix, text, (a, b) => b.endsWith(a))
}

function trimPrefix(prefix: string, text: string): string {
  return hasPrefix(prefix, text) ? fromBinary(binary(text).slice(byteLength(prefix))) : text
}

function trimSuffix(suffix: string, text: string): string {
  return hasSuffix(suffix, text) ? fromBinary(binary(text).slice(0, byteLength(text) - byteLength(suffix))) : text
}

function wrapWith(text: string, width: bigint, separator: string, budget: Budget): string {
  return wrap(text, { width, separator: separator || '\n', cutsWords: true }, budget)
}

function replace(text: string, old: string, by: string, budget: Budget): string {
  const parts = old === '' ? ['', ...runes(text), ''] : split(text, old)
  budget.checkText(text.length + (parts.length - 1) * by.length)
  return canonical(parts.join(by))
}

/** As many parts as there are, or `count` at most when it is not negative. Source: Go strings.SplitN. */
function split(text: string, separator: string, count = -1): string[] {
  if (count === 0) return []
  if (separator === '') return gather(runes(text), '', count)
  return matching(separator, text, (part, whole) => {
    const parts = gather(whole.split(part), part, count)
    return part === separator ? parts : parts.map(fromBinary)
  })
}

/** The parts from `count` on are one. */
function gather(parts: string[], separator: string, count: number): string[] {
  return count < 0 || parts.length <= count ? parts : [...parts.slice(0, count - 1), parts.slice(count - 1).join(separator)]
}

function numbered(parts: readonly string[]): TypedMap {
  return new TypedMap(
    stringMap,
    parts.map((part, index) => [`_${index}`, part]),
  )
}

function join(value: Value, separator: string, budget: Budget): string {
  const parts = textsOf(value)
  budget.checkText(parts.reduce((length, part) => length + part.length + separator.length, 0))
  return canonical(parts.join(separator))
}

/** Sorts a `[]string` in place, as Go does, unless it is frozen: what releases share must not change. */
function sortAlpha(value: Value): Slice {
  if (itemsOf(value) === undefined) return strings([strval(value)])
  const list = stringList(value)
  const items = list.items as string[]
  if (Object.isFrozen(items)) return strings(items.toSorted(compareText))
  items.sort(compareText)
  return list
}

function stringList(value: Value): Slice {
  return value instanceof Slice && value.type === stringSlice ? value : strings(textsOf(value))
}

/** Source: sprig strslice. */
function textsOf(value: Value): string[] {
  const items = isList(value) ? value : itemsOf(value)
  if (items) return items.filter((item) => item !== null).map(strval)
  return value === null ? [] : [strval(value)]
}

function eachNotNil(values: readonly Value[], show: (value: Value) => string): string {
  return canonical(
    values
      .filter((value) => value !== null)
      .map(show)
      .join(' '),
  )
}
