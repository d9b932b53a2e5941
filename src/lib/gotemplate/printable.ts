/** Which characters Go calls printable, and a Go string's runes. */

/** Letters, marks, numbers, punctuation, symbols and the ASCII space. */
const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u

/**
 * Characters that Unicode 15.1 to 17 (Node 24) know and Unicode 15.0 (Go 1.26) does not, so that Go escapes them.
 * From comparing both for every code point.
 */
const tooNew = new RegExp(
  `^[${[
    '\\u088F\\u0897\\u0C5C\\u0CDC\\u1ACF-\\u1ADD\\u1AE0-\\u1AEB\\u1B4E\\u1B4F\\u1B7F\\u1C89\\u1C8A\\u20C1\\u2427-\\u2429\\u2B96',
    '\\u2FFC-\\u2FFF\\u31E4\\u31E5\\u31EF\\uA7CB-\\uA7CF\\uA7D2\\uA7D4\\uA7DA-\\uA7DC\\uA7F1\\uFBC3-\\uFBD2\\uFD90\\uFD91\\uFDC8-\\uFDCE',
    '\\u{105C0}-\\u{105F3}\\u{10940}-\\u{10959}\\u{10D40}-\\u{10D65}\\u{10D69}-\\u{10D85}\\u{10D8E}\\u{10D8F}\\u{10EC2}-\\u{10EC7}',
    '\\u{10ED0}-\\u{10ED8}\\u{10EFA}-\\u{10EFC}\\u{11380}-\\u{11389}\\u{1138B}\\u{1138E}\\u{11390}-\\u{113B5}\\u{113B7}-\\u{113C0}',
    '\\u{113C2}\\u{113C5}\\u{113C7}-\\u{113CA}\\u{113CC}-\\u{113D5}\\u{113D7}\\u{113D8}\\u{113E1}\\u{113E2}\\u{116D0}-\\u{116E3}',
    '\\u{11B60}-\\u{11B67}\\u{11BC0}-\\u{11BE1}\\u{11BF0}-\\u{11BF9}\\u{11DB0}-\\u{11DDB}\\u{11DE0}-\\u{11DE9}\\u{11F5A}',
    '\\u{13460}-\\u{143FA}\\u{16100}-\\u{16139}\\u{16D40}-\\u{16D79}\\u{16EA0}-\\u{16EB8}\\u{16EBB}-\\u{16ED3}\\u{16FF2}-\\u{16FF6}',
    '\\u{187F8}-\\u{187FF}\\u{18CFF}\\u{18D09}-\\u{18D1E}\\u{18D80}-\\u{18DF2}\\u{1CC00}-\\u{1CCFC}\\u{1CD00}-\\u{1CEB3}',
    '\\u{1CEBA}-\\u{1CED0}\\u{1CEE0}-\\u{1CEF0}\\u{1E5D0}-\\u{1E5FA}\\u{1E5FF}\\u{1E6C0}-\\u{1E6DE}\\u{1E6E0}-\\u{1E6F5}',
    '\\u{1E6FE}\\u{1E6FF}\\u{1F6D8}\\u{1F777}-\\u{1F77A}\\u{1F8B2}-\\u{1F8BB}\\u{1F8C0}\\u{1F8C1}\\u{1F8D0}-\\u{1F8D8}',
    '\\u{1FA54}-\\u{1FA57}\\u{1FA89}\\u{1FA8A}\\u{1FA8E}\\u{1FA8F}\\u{1FABE}\\u{1FAC6}\\u{1FAC8}\\u{1FACD}\\u{1FADC}\\u{1FADF}',
    '\\u{1FAE9}\\u{1FAEA}\\u{1FAEF}\\u{1FBCB}-\\u{1FBEF}\\u{1FBFA}\\u{2B73A}-\\u{2B73F}\\u{2CEA2}-\\u{2CEAD}\\u{2EBF0}-\\u{2EE5D}',
    '\\u{323B0}-\\u{33479}',
  ].join('')}]$`,
  'u',
)

/** Whether a character is printable. Source: Go strconv.IsPrint, unicode.IsPrint. */
export function isPrint(character: string): boolean {
  return printable.test(character) && !tooNew.test(character)
}

/** The byte that a lone surrogate of a Go string stands for (see value.ts); undefined for a character. */
export function rawByte(character: string): number | undefined {
  const code = character.charCodeAt(0)
  return character.length === 1 && code >= 0xdc80 && code <= 0xdcff ? code - 0xdc00 : undefined
}

const surrogate = /[\ud800-\udfff]/

/** How many runes a Go string has; each byte that is not UTF-8 counts as one. Source: Go utf8.RuneCountInString. */
export function runeCount(text: string): number {
  if (!surrogate.test(text)) return text.length
  let count = 0
  for (const _ of text) count++
  return count
}

/** The first runes of a Go string. */
export function firstRunes(text: string, count: number): string {
  if (text.length <= count) return text
  if (!surrogate.test(text)) return text.slice(0, count)
  let end = 0
  let left = count
  for (const character of text) {
    if (left-- <= 0) break
    end += character.length
  }
  return text.slice(0, end)
}
