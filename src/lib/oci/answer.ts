/** Answers of registries and of those who give tokens for them: what they hold, or what they complain of. */
import { isRecord } from '../json.ts'
import type { RegistryCredentials } from './docker-config.ts'
import { OciError } from './errors.ts'
import type { Received } from './transport.ts'

/** @throws OciError with what the server says, `what` in front, and no part of the login. */
export function accepted(received: Received, what: string, credentials: RegistryCredentials | undefined): Received {
  const { status, body } = received
  if (status >= 200 && status < 300) return received
  const why = redacted(explained(body) || plainWords.get(status) || 'refused', credentials)
  const code = status === 401 || status === 403 ? 'authentication' : status === 404 ? 'notFound' : 'refused'
  throw new OciError(code, `${what}: ${why} (HTTP status ${status})`)
}

/** @throws OciError `corrupt` */
export function jsonOf(body: Buffer, what: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    if (isRecord(value)) return value
  } catch {
    // said below
  }
  throw new OciError('corrupt', `${what} is no JSON object`)
}

const plainWords = new Map([
  [401, 'unauthorized: authentication required'],
  [403, 'denied'],
  [404, 'not found'],
  [429, 'too many requests'],
])

/** The registry's own words: `{"errors":[{"code","message"}]}`, else the beginning of the text. */
function explained(body: Buffer): string {
  const text = body.toString('utf8')
  try {
    const value: unknown = JSON.parse(text)
    const errors = isRecord(value) && Array.isArray(value.errors) ? value.errors.filter(isRecord) : []
    return printable(
      errors.map(({ code, message }) => [code, message].filter((part) => typeof part === 'string').join(': ')).join('; '),
    )
  } catch {
    // A page of a proxy says less than the status.
    return /^\s*</.test(text) ? '' : printable(text)
  }
}

function printable(text: string): string {
  return text.replace(unprintable, ' ').trim()
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not get into a message
const unprintable = /[\s\u0000-\u001f\u007f]+/g

function redacted(text: string, credentials: RegistryCredentials | undefined): string {
  const secrets = Object.entries(credentials ?? {}).filter(([name]) => name !== 'username')
  return secrets.reduce((shown, [, secret]) => (secret ? shown.replaceAll(secret, '***') : shown), text)
}
