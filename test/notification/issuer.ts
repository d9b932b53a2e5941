/** An issuer of tokens, as OpenID Connect Discovery describes one, and those who pretend to be one. */
import { createHmac, createSign, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ManualClock } from '../fakes/clock.ts'

type Claims = Readonly<Record<string, unknown>>
type Algorithm = 'RS256' | 'RS512' | 'PS256' | 'ES256' | 'ES384' | 'EdDSA'

export interface Issuer extends AsyncDisposable {
  readonly address: string
  /** Of the clock of all worlds. */
  readonly nowSeconds: number
  /** Paths asked for, in order. */
  readonly requests: string[]
  /** Valid for an hour, unless told otherwise; issuer and audience as usual, unless the claims say otherwise. */
  token(
    claims: Claims,
    options?: { algorithm?: Algorithm; lifeSeconds?: number; header?: object; keyId?: string | undefined },
  ): string
  unsigned(claims: Claims): string
  /** Signed by a key that only calls itself the issuer's. */
  forged(claims: Claims): string
  /** Signed by HMAC with what everybody knows: the public key. */
  confused(claims: Claims): string
  /** A new key in place of all others: returns its id. */
  rotate(): string
  /** What is answered in place of the documents. */
  answer: ((path: string) => { status: number; body: string } | undefined) | undefined
}

export async function openIssuer(): Promise<Issuer> {
  const rsa = () => generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pairs = {
    rsa: rsa(),
    ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    EdDSA: generateKeyPairSync('ed25519'),
  }
  const other = rsa()
  let rsaId = 'rsa-1'
  const requests: string[] = []
  const nowSeconds = new ManualClock().now() / 1000
  const jwk = (id: string, key: KeyObject) => ({ ...key.export({ format: 'jwk' }), kid: id, use: 'sig' })
  const documents = new Map<string, () => object>([
    [
      '/.well-known/openid-configuration',
      () => ({
        issuer: issuer.address,
        jwks_uri: `${issuer.address}/keys`,
        id_token_signing_alg_values_supported: ['RS256', 'RS512', 'PS256', 'ES256', 'ES384', 'EdDSA', 'HS256', 'none'],
      }),
    ],
    [
      '/keys',
      () => ({
        keys: [
          { kty: 'unknown', kid: 'x' },
          jwk(rsaId, pairs.rsa.publicKey),
          jwk('ES256', pairs.ES256.publicKey),
          jwk('ES384', pairs.ES384.publicKey),
          jwk('EdDSA', pairs.EdDSA.publicKey),
        ],
      }),
    ],
  ])
  const server = createServer(({ url = '' }, response) => {
    requests.push(url)
    const answer = issuer.answer?.(url)
    const document = documents.get(url)
    if (answer) response.writeHead(answer.status).end(answer.body)
    else response.writeHead(document ? 200 : 404).end(document && JSON.stringify(document()))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const unsignedParts = (claims: Claims, header: object, lifeSeconds = 3600) =>
    `${encode(header)}.${encode({ iss: issuer.address, aud: 'notification-controller', exp: nowSeconds + lifeSeconds, ...claims })}`
  const signed = (text: string, algorithm: Algorithm, rsaKey = pairs.rsa.privateKey): Buffer => {
    const bytes = Buffer.from(text)
    const padding = { padding: 6, saltLength: 32 } // RSA_PKCS1_PSS_PADDING
    if (algorithm === 'RS256') return createSign('sha256').update(text).sign(rsaKey)
    if (algorithm === 'RS512') return createSign('sha512').update(text).sign(rsaKey)
    if (algorithm === 'PS256') return sign('sha256', bytes, { key: rsaKey, ...padding })
    if (algorithm === 'EdDSA') return sign(null, bytes, pairs.EdDSA.privateKey)
    const hash = algorithm === 'ES256' ? 'sha256' : 'sha384'
    return sign(hash, bytes, { key: pairs[algorithm].privateKey, dsaEncoding: 'ieee-p1363' })
  }
  const isRsa = (algorithm: string) => algorithm.startsWith('RS') || algorithm.startsWith('PS')

  const issuer: Issuer = {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    nowSeconds,
    requests,
    answer: undefined,
    token(claims, { algorithm = 'RS256', lifeSeconds, header = {}, ...options } = {}) {
      const kid = 'keyId' in options ? options.keyId : isRsa(algorithm) ? rsaId : algorithm
      const text = unsignedParts(claims, { alg: algorithm, typ: 'JWT', kid, ...header }, lifeSeconds)
      return `${text}.${signed(text, algorithm).toString('base64url')}`
    },
    unsigned: (claims) => `${unsignedParts(claims, { alg: 'none' })}.eA`,
    forged(claims) {
      const text = unsignedParts(claims, { alg: 'RS256', kid: rsaId })
      return `${text}.${signed(text, 'RS256', other.privateKey).toString('base64url')}`
    },
    confused(claims) {
      const text = unsignedParts(claims, { alg: 'HS256', kid: rsaId })
      const key = pairs.rsa.publicKey.export({ format: 'pem', type: 'spki' })
      return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`
    },
    rotate() {
      pairs.rsa = rsa()
      rsaId = `rsa-${requests.length + 2}`
      return rsaId
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
  return issuer
}
