/** How TOML writes texts, keys and times. */

const shortEscapes: ReadonlyMap<string, string> = new Map([
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\b', '\\b'],
  ['\t', '\\t'],
  ['\n', '\\n'],
  ['\f', '\\f'],
  ['\r', '\\r'],
])

/** A text in double quotes. */
export function quoteText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must be escaped
  return `"${text.replace(/["\\\x00-\x1f\x7f]/g, escapeCharacter)}"`
}

function escapeCharacter(character: string): string {
  return shortEscapes.get(character) ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** A part of a key, quoted where it must be. */
export function quoteKey(part: string): string {
  return /^[A-Za-z0-9_-]+$/.test(part) ? part : quoteText(part)
}

/** The forms of dates and times without a zone, by the name of the made-up place that a time of each form gets when it is read. */
export const localForms: ReadonlyMap<string, string> = new Map([
  ['datetime-local', '2006-01-02T15:04:05.999999999'],
  ['date-local', '2006-01-02'],
  ['time-local', '15:04:05.999999999'],
])
