/** What a registry asks for before it answers. Source: RFC 9110 §11.6, the distribution token specification. */

export interface Challenge {
  /** In lower case: `bearer`, `basic`. */
  readonly scheme: string
  readonly parameters: ReadonlyMap<string, string>
}

const longestHeader = 8 * 1024

/** The first challenge of a `WWW-Authenticate` header whose scheme is known; undefined when there is none. */
export function parseChallenge(header: string): Challenge | undefined {
  if (header.length > longestHeader) return undefined
  const start = /(?:^|[\s,])(bearer|basic)(?=\s|$)/i.exec(header)
  const scheme = start?.[1]?.toLowerCase()
  if (!start || scheme === undefined) return undefined
  const parameters = new Map<string, string>()
  for (const [, name = '', quoted, bare] of header.slice(start.index + start[0].length).matchAll(parameter))
    parameters.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? bare ?? '')
  return { scheme, parameters }
}

const parameter = /([a-zA-Z0-9_-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))/g
