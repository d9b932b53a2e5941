/** Go's strings.TrimSpace: not JavaScript's trim, which takes a byte order mark away too. */
export function trimSpace(text: string): string {
  // By hand: a pattern for the end would be tried at every space, and manifests have millions.
  let end = text.length
  while (end > 0 && space.test(text[end - 1] ?? '')) end--
  return trimSpaceLeft(text.slice(0, end))
}

/** Source: strings.TrimLeftFunc with unicode.IsSpace. */
export function trimSpaceLeft(text: string): string {
  return text.replace(leading, '')
}

const space = /[\t-\r \x85\xa0\p{Z}]/u
const leading = /^[\t-\r \x85\xa0\p{Z}]+/u
