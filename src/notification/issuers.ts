/** Issuers of tokens: their keys, fetched when they are needed and kept for a while. Source: go-oidc, google.golang.org/api/idtoken. */
import { request } from 'undici'
import { dispatcherFor } from '../lib/dispatcher.ts'
import { rootMessageOf } from '../lib/errors.ts'
import type { Clock } from '../runtime/clock.ts'
import { environmentProxies } from '../runtime/proxies.ts'
import { fieldOf, parseJson } from './json.ts'
import { type IssuerKey, isKnownAlgorithm, isSignedBy, keysOf, parseToken, type Token } from './jwt.ts'

type Claims = Token['claims']

export interface IssuersOptions {
  readonly clock: Clock
  /** Google's public keys; its own address when absent. */
  readonly googleKeys?: string
}

const googleKeys = 'https://www.googleapis.com/oauth2/v3/certs'
const googleIssuers = ['accounts.google.com', 'https://accounts.google.com']
const timeoutMs = 10_000
const longestAnswer = 1024 * 1024
const keptMs = 10 * 60_000
/** A key that is not known is asked for again, but not at the pace of those who make keys up. */
const refetchMs = 10_000
const mostIssuers = 100
/** Source: go-oidc. */
const notBeforeLeewayMs = 5 * 60_000

/** What an issuer has told, and when. */
interface Known<T> {
  readonly value: Promise<T>
  readonly atMs: number
}

interface Discovery {
  readonly keysUrl: string
  readonly algorithms: readonly string[]
}

export class Issuers implements AsyncDisposable {
  readonly #options: IssuersOptions
  readonly #dispatcher = dispatcherFor({ proxies: environmentProxies() })
  readonly #discoveries = new Map<string, Known<Discovery>>()
  readonly #keys = new Map<string, Known<readonly IssuerKey[]>>()

  constructor(options: IssuersOptions) {
    this.#options = options
  }

  /**
   * The claims of a token that the issuer made for the audience, and that is valid now.
   * @throws Error that says what is wrong with the token or with the issuer.
   */
  async claimsOf(text: string, { issuer, audience }: { readonly issuer: string; readonly audience: string }): Promise<Claims> {
    const token = parseToken(text)
    const { keysUrl, algorithms } = await this.#discovery(issuer)
    this.#assertValid(token, audience)
    if (token.claims.iss !== issuer) throw new Error(`the token was issued by ${quoted(token.claims.iss)}, want ${quoted(issuer)}`)
    if (!algorithms.includes(token.algorithm))
      throw new Error(`the token is signed with ${quoted(token.algorithm)}, want one of ${algorithms.join(', ')}`)
    await this.#assertSigned(token, keysUrl)
    return token.claims
  }

  /** The claims of an ID token of Google's. @throws as `claimsOf`. */
  async googleClaimsOf(text: string, audience: string): Promise<Claims> {
    const token = parseToken(text)
    this.#assertValid(token, audience)
    if (token.algorithm !== 'RS256') throw new Error(`the token is signed with ${quoted(token.algorithm)}, want RS256`)
    await this.#assertSigned(token, this.#options.googleKeys ?? googleKeys)
    if (!googleIssuers.includes(String(token.claims.iss)))
      throw new Error(`token issuer is ${quoted(token.claims.iss)}, want one of ${googleIssuers.join(', ')}`)
    return token.claims
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy()
  }

  #assertValid({ claims }: Token, audience: string): void {
    const now = this.#options.clock.now()
    const audiences = Array.isArray(claims.aud) ? claims.aud : [claims.aud]
    if (!audiences.includes(audience)) throw new Error(`the token is meant for ${quoted(claims.aud)}, want ${quoted(audience)}`)
    if (typeof claims.exp !== 'number' || claims.exp * 1000 <= now) throw new Error('the token is expired, or has no exp')
    if (claims.nbf === undefined) return
    if (typeof claims.nbf !== 'number' || claims.nbf * 1000 > now + notBeforeLeewayMs) throw new Error('the token is not valid yet')
  }

  async #assertSigned(token: Token, keysUrl: string): Promise<void> {
    const isMade = (keys: readonly IssuerKey[]) =>
      keys.some((key) => (token.keyId === undefined || key.id === token.keyId) && isSignedBy(token, key))
    if (isMade(await this.#keysAt(keysUrl, keptMs))) return
    if (isMade(await this.#keysAt(keysUrl, refetchMs))) return
    throw new Error("the token's signature is by none of the issuer's keys")
  }

  #discovery(issuer: string): Promise<Discovery> {
    return this.#known(this.#discoveries, issuer, keptMs, async () => {
      try {
        return discoveryOf(await this.#fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`), issuer)
      } catch (error) {
        const why = `failed to initialize OIDC provider for issuer ${quoted(issuer)}: ${rootMessageOf(error)}`
        throw new Error(why, { cause: error })
      }
    })
  }

  #keysAt(url: string, maxAgeMs: number): Promise<readonly IssuerKey[]> {
    return this.#known(this.#keys, url, maxAgeMs, async () => {
      try {
        return keysOf(await this.#fetch(url))
      } catch (error) {
        throw new Error(`failed to fetch the keys at ${quoted(url)}: ${rootMessageOf(error)}`, { cause: error })
      }
    })
  }

  /** What is known for no longer than that, else what is fetched now: once for all who ask meanwhile. A failure is not kept. */
  #known<T>(all: Map<string, Known<T>>, name: string, maxAgeMs: number, fetch: () => Promise<T>): Promise<T> {
    const nowMs = this.#options.clock.monotonic()
    const known = all.get(name)
    if (known && nowMs - known.atMs < maxAgeMs) return known.value
    const fresh = { value: fetch(), atMs: nowMs }
    if (all.size >= mostIssuers && !known) for (const oldest of all.keys().take(1)) all.delete(oldest)
    all.set(name, fresh)
    fresh.value.catch(() => all.get(name) === fresh && all.delete(name))
    return fresh.value
  }

  /** Redirects are not followed. */
  async #fetch(url: string): Promise<unknown> {
    const signal = AbortSignal.timeout(timeoutMs)
    const { statusCode, body } = await request(url, { dispatcher: this.#dispatcher, signal })
    if (statusCode !== 200) {
      body.on('error', () => {}).destroy() // that it is not read is told as an error
      throw new Error(`HTTP status ${statusCode}`)
    }
    const chunks: Uint8Array[] = []
    let size = 0
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      size += chunk.length
      if (size > longestAnswer) throw new Error(`the answer is longer than ${longestAnswer} bytes`)
      chunks.push(chunk)
    }
    return parseJson(Buffer.concat(chunks).toString('utf8'))
  }
}

function discoveryOf(document: unknown, issuer: string): Discovery {
  if (fieldOf(document, 'issuer') !== issuer)
    throw new Error(`the issuer calls itself ${quoted(fieldOf(document, 'issuer'))}: the address must be the same to the letter`)
  const keysUrl = fieldOf(document, 'jwks_uri')
  const protocol = typeof keysUrl === 'string' ? URL.parse(keysUrl)?.protocol : undefined
  if (typeof keysUrl !== 'string' || (protocol !== 'https:' && protocol !== 'http:')) throw new Error('it has no jwks_uri')
  const named = fieldOf(document, 'id_token_signing_alg_values_supported')
  const algorithms = Array.isArray(named) ? named.filter((name) => typeof name === 'string' && isKnownAlgorithm(name)) : []
  return { keysUrl, algorithms: algorithms.length > 0 ? algorithms : ['RS256'] }
}

function quoted(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 300) ?? 'nobody'
}
