/**
 * The contract of receiver types: each checks that a call comes from who knows the token. All comparisons are over the raw bytes and take
 * the same time whatever they find.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { Receiver } from '../../api/receiver.ts'
import { messageOf } from '../../lib/errors.ts'
import { mediaTypeOf } from '../filters.ts'
import type { Issuers } from '../issuers.ts'
import { assertShape, parseJson, type Shape } from '../json.ts'
import type { Call } from '../serve.ts'

export interface Checking {
  readonly call: Call
  readonly receiver: Receiver
  /** `token` of the Receiver's Secret; empty for types without one. */
  readonly token: Buffer
  /** The text of another entry of the Secret. @throws Error when the Secret does not have it. */
  secret(key: string): string
  readonly issuers: Issuers
}

/** A call that may be acted upon. */
export interface Checked {
  /** What filters know as `req`. */
  readonly payload: Buffer
  readonly contentType: string
  /** What filters know as `claims`. */
  readonly claims?: Readonly<Record<string, unknown>>
  /** What the call is about, for the log. */
  readonly about?: Readonly<Record<string, unknown>>
}

/** @throws Error that says, for the log and not for the caller, what is wrong with the call. */
export type Check = (checking: Checking) => Checked | Promise<Checked>

export function accepted({ body, headers }: Call, more: Partial<Checked> = {}): Checked {
  return { payload: body, contentType: headers.get('content-type') ?? '', ...more }
}

/** @throws Error unless the Receiver's list of events is empty or has the event, whatever its case. */
export function assertEvent({ spec: { events = [] } }: Receiver, event: string): void {
  if (events.length === 0 || events.some((one) => one.toLowerCase() === event.toLowerCase())) return
  throw new Error(`the event ${JSON.stringify(event)} is not authorised`)
}

/** @throws Error for another value of the header, or when nothing is wanted: an empty secret keeps nobody out. */
export function assertSecret(header: string | undefined, wanted: Buffer, what: string): void {
  // Headers come with a character for each byte.
  const [one, other] = [Buffer.from(header ?? '', 'latin1'), wanted].map((bytes) => createHash('sha256').update(bytes).digest())
  if (wanted.length > 0 && one && other && timingSafeEqual(one, other)) return
  throw new Error(`${what} does not match the receiver token`)
}

/**
 * `<sha1|sha256|sha512>=<hex>` over the body.
 * @throws Error when it is missing, malformed or of another body or token. Source: go-github ValidateSignature.
 */
export function assertSignature(signature: string, body: Buffer, token: Buffer): void {
  const [, algorithm, hex] = /^(sha1|sha256|sha512)=([0-9a-f]*)$/i.exec(signature) ?? []
  if (signature === '') throw new Error('missing signature')
  if (algorithm === undefined || hex === undefined || !hashes.has(algorithm)) throw new Error('the signature is malformed')
  const wanted = createHmac(algorithm, token).update(body).digest()
  const given = Buffer.from(hex, 'hex')
  const isSame = given.length === wanted.length && timingSafeEqual(given, wanted)
  if (token.length === 0 || !isSame) throw new Error('payload signature check failed')
}

const hashes = new Set(['sha1', 'sha256', 'sha512'])

/** The payload of GitHub's and Bitbucket's calls, as JSON or in a form. @throws Error for another type, or a wrong signature. */
export function signedPayload({ headers, body }: Call, token: Buffer): Buffer {
  const type = mediaTypeOf(headers.get('content-type') ?? '')
  if (type !== 'application/json' && type !== 'application/x-www-form-urlencoded')
    throw new Error(`webhook request has unsupported Content-Type ${JSON.stringify(type.slice(0, 100))}`)
  assertSignature(headers.get('x-hub-signature-256') || headers.get('x-hub-signature') || '', body, token)
  if (type === 'application/json') return body
  return Buffer.from(new URLSearchParams(body.toString('utf8')).get('payload') ?? '')
}

/** The body as JSON of that shape. @throws Error that names the sender and the field. */
export function decoded(body: Buffer, shape: Shape, sender: string): unknown {
  try {
    const value = parseJson(body.toString('utf8'))
    assertShape(value, shape)
    return value
  } catch (error) {
    throw new Error(`cannot decode ${sender} webhook payload: ${messageOf(error)}`, { cause: error })
  }
}

/** @throws Error for anything else than `Authorization: Bearer <token>`. */
export function bearerOf({ headers }: Call): string {
  const header = headers.get('authorization') ?? ''
  const token = header.startsWith('Bearer ') ? header.slice('Bearer '.length).trim() : ''
  if (token === '') throw new Error('the Authorization header is missing or malformed')
  return token
}
