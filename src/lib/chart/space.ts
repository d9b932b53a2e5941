/** Go's strings.TrimSpace: not JavaScript's trim, which takes a byte order mark away too. */
export function trimSpace(text: string): string {
  return text.replace(outer, '')
}

/** Source: strings.TrimLeftFunc with unicode.IsSpace. */
export function trimSpaceLeft(text: string): string {
  return text.replace(leading, '')
}

const leading = /^[\t-\r \x85\xa0\p{Z}]+/u
const outer = /^[\t-\r \x85\xa0\p{Z}]+|[\t-\r \x85\xa0\p{Z}]+$/gu
