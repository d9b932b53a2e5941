/** Case and classes of runes as Go's package unicode has them: one rune maps to one, by Unicode 15. */

/** What JavaScript knows a case of and Unicode 15 does not. */
const newerPattern = /[\u019b\u0264\u1c89\u1c8a\ua7cb-\ua7cf\ua7d2-\ua7d5\ua7da-\ua7dc\u{10d50}-\u{10d85}\u{16ea0}-\u{16ed3}]/u

/** Greek letters with iota below: JavaScript makes two letters of them, Go a title case one. */
const iotaPattern = /[\u1f80-\u1f87\u1f90-\u1f97\u1fa0-\u1fa7]/

const irregularUpper = new Map([
  ['ᾳ', 'ᾼ'],
  ['ῃ', 'ῌ'],
  ['ῳ', 'ῼ'],
])

const irregularTitle = new Map(
  ['Ǆǅǆ', 'Ǉǈǉ', 'Ǌǋǌ', 'Ǳǲǳ'].flatMap((forms) => Array.from(forms, (form) => [form, forms[1] ?? form] as const)),
)

/** Source: Go unicode.ToUpper. */
export function upperRune(rune: string): string {
  const upper = rune.toUpperCase()
  if (upper === rune || newerPattern.test(rune)) return rune
  if (isOneRune(upper)) return upper
  if (iotaPattern.test(rune)) return String.fromCharCode(rune.charCodeAt(0) + 8)
  return irregularUpper.get(rune) ?? rune
}

/** Source: Go unicode.ToLower. */
export function lowerRune(rune: string): string {
  if (rune === 'İ') return 'i'
  return newerPattern.test(rune) ? rune : rune.toLowerCase()
}

/** Source: Go unicode.ToTitle. */
export function titleRune(rune: string): string {
  if (/[\u10d0-\u10ff]/.test(rune)) return rune
  return irregularTitle.get(rune) ?? upperRune(rune)
}

function isOneRune(text: string): boolean {
  return text.length === ((text.codePointAt(0) ?? 0) > 0xffff ? 2 : 1)
}

export function isUpper(rune: string): boolean {
  return /^\p{Lu}/u.test(rune)
}

export function isLower(rune: string): boolean {
  return /^\p{Ll}/u.test(rune)
}

export function isTitle(rune: string): boolean {
  return /^\p{Lt}/u.test(rune)
}

export function isLetter(rune: string): boolean {
  return /^\p{L}/u.test(rune)
}

export function isDigit(rune: string): boolean {
  return /^\p{Nd}/u.test(rune)
}

export function isNumber(rune: string): boolean {
  return /^\p{N}/u.test(rune)
}

export function isPunct(rune: string): boolean {
  return /^\p{P}/u.test(rune)
}
