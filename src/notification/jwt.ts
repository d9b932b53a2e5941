/** JSON Web Tokens: taking them apart, and checking their signatures. Nothing of a token is to be believed before that. */
import { constants, createPublicKey, type JsonWebKey, type KeyObject, verify } from 'node:crypto'
import { fieldOf, fieldsOf, parseJson } from './json.ts'

export interface Token {
  readonly algorithm: string
  readonly keyId: string | undefined
  readonly claims: Readonly<Record<string, unknown>>
  readonly signed: Buffer
  readonly signature: Buffer
}

/** A public key of an issuer. */
export interface IssuerKey {
  readonly id: string | undefined
  readonly key: KeyObject
  readonly curve: string | undefined
}

const longestToken = 64 * 1024

/** @throws Error that says what is wrong; it shows nothing of the token. */
export function parseToken(text: string): Token {
  const [header = '', payload = '', signature = '', ...rest] = text.split('.')
  if (text.length > longestToken || rest.length > 0 || !header || !payload || !signature) throw new Error('token is not a JWT')
  const head = part('header', header)
  const algorithm = fieldOf(head, 'alg')
  const keyId = fieldOf(head, 'kid')
  if (typeof algorithm !== 'string') throw new Error("the token's header has no alg")
  // A header that says "only understand me if you know …" cannot be honoured.
  if (fieldOf(head, 'crit') !== undefined) throw new Error("the token's header has critical extensions")
  return {
    algorithm,
    keyId: typeof keyId === 'string' ? keyId : undefined,
    claims: part('payload', payload),
    signed: Buffer.from(`${header}.${payload}`, 'ascii'),
    signature: base64url('signature', signature),
  }
}

function part(name: string, text: string): Readonly<Record<string, unknown>> {
  const fields = fieldsOf(parseJson(base64url(name, text).toString('utf8')))
  if (!fields) throw new Error(`the token's ${name} is no object`)
  return fields
}

function base64url(name: string, text: string): Buffer {
  if (!/^[\w-]+$/.test(text)) throw new Error(`the token's ${name} is not base64url`)
  return Buffer.from(text, 'base64url')
}

/** The keys of a JSON Web Key Set that signatures can be checked with. */
export function keysOf(set: unknown): readonly IssuerKey[] {
  const entries = fieldOf(set, 'keys')
  if (!Array.isArray(entries)) throw new Error('the key set has no keys')
  return entries.slice(0, mostKeys).flatMap(keyOf)
}

const mostKeys = 100

function keyOf(entry: unknown): IssuerKey[] {
  const fields = fieldsOf(entry)
  if (!fields || (fields.use !== undefined && fields.use !== 'sig')) return []
  try {
    const key = createPublicKey({ key: fields as JsonWebKey, format: 'jwk' })
    const { kid, crv } = fields
    return [{ id: typeof kid === 'string' ? kid : undefined, key, curve: typeof crv === 'string' ? crv : undefined }]
  } catch {
    return [] // of a type that we do not know: others may do
  }
}

interface Algorithm {
  readonly keyType: string
  readonly curve?: string
  readonly hash: string | null
  readonly options?: { readonly padding?: number; readonly saltLength?: number; readonly dsaEncoding?: 'ieee-p1363' }
}

const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
const p1363 = { dsaEncoding: 'ieee-p1363' } as const

/** None of them is symmetric, and "none" is none. Source: RFC 7518, RFC 8037. */
const algorithms = new Map<string, Algorithm>([
  ['RS256', { keyType: 'rsa', hash: 'sha256' }],
  ['RS384', { keyType: 'rsa', hash: 'sha384' }],
  ['RS512', { keyType: 'rsa', hash: 'sha512' }],
  ['PS256', { keyType: 'rsa', hash: 'sha256', options: pss }],
  ['PS384', { keyType: 'rsa', hash: 'sha384', options: pss }],
  ['PS512', { keyType: 'rsa', hash: 'sha512', options: pss }],
  ['ES256', { keyType: 'ec', curve: 'P-256', hash: 'sha256', options: p1363 }],
  ['ES384', { keyType: 'ec', curve: 'P-384', hash: 'sha384', options: p1363 }],
  ['ES512', { keyType: 'ec', curve: 'P-521', hash: 'sha512', options: p1363 }],
  ['EdDSA', { keyType: 'ed25519', curve: 'Ed25519', hash: null }],
])

export function isKnownAlgorithm(name: string): boolean {
  return algorithms.has(name)
}

/** Whether the key made the token's signature, by the algorithm that the token names. */
export function isSignedBy({ algorithm, signed, signature }: Token, { key, curve }: IssuerKey): boolean {
  const known = algorithms.get(algorithm)
  if (!known || key.asymmetricKeyType !== known.keyType || (known.curve !== undefined && curve !== known.curve)) return false
  try {
    return verify(known.hash, signed, { key, ...known.options }, signature)
  } catch {
    return false
  }
}
