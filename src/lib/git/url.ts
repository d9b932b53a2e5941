/** Addresses of repositories. */
import { GitError } from './errors.ts'

/** A repository's address, taken apart. */
export interface RemoteUrl {
  /** Without user information. */
  readonly url: URL
  /** From the user information, decoded; empty when there is none. */
  readonly username: string
  readonly password: string
  /** As it may be shown: without user information and query. */
  readonly shown: string
}

/** @throws GitError `address` for anything but an http or https URL with a host; the message shows no user information. */
export function parseRemoteUrl(text: string): RemoteUrl {
  const url = URL.parse(text)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: URL.parse would drop them without a word
  if (!url || /[\u0000-\u0020\u007f]/.test(text)) throw invalid(text, 'it is not a URL')
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw invalid(text, `the scheme ${url.protocol}// is not supported`)
  if (url.hostname === '' || url.hostname.startsWith('-')) throw invalid(text, 'it has no valid host')
  const { username, password } = url
  url.username = ''
  url.password = ''
  url.hash = ''
  return { url, username: decode(username), password: decode(password), shown: url.origin + url.pathname }
}

function invalid(text: string, why: string): GitError {
  const shown = text
    .replace(/\/\/[^/]*@/, '//')
    .replace(/[?#].*$/, '')
    .slice(0, 200)
  return new GitError('address', `failed to parse url '${shown}': ${why}`)
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
