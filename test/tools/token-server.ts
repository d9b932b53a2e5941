/** The token endpoint of a registry: signs what the registry accepts. Source: the distribution token specification. */
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export interface TokenRequest {
  readonly method: string
  readonly authorization: string | undefined
  /** `service` and `scope` of the query, or of the form of an OAuth request, which also has `grant_type` and `refresh_token`. */
  readonly parameters: URLSearchParams
}

/** The body of an answer; undefined for the usual one. */
export type TokenAnswer = Readonly<Record<string, unknown>>

export interface TokenServer extends AsyncDisposable {
  /** What the registry names in its challenges. */
  readonly realm: string
  readonly service: string
  readonly issuer: string
  /** The public key, as a JSON Web Key Set. */
  readonly jwks: string
  readonly requests: readonly TokenRequest[]
  /** Replaces the answer to whoever may have a token. */
  answer: ((token: string) => TokenAnswer) | undefined
  /** A token for some repository, as the registry would get it from somebody who may. */
  mint(repository: string, actions: readonly string[]): string
}

export interface TokenServerOptions {
  /** Who gets a token: with this name and password, or with this refresh token. Absent: everybody. */
  readonly login?: { readonly username: string; readonly password: string; readonly refreshToken: string }
  /** PEM texts. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined
  readonly address?: string
}

export async function startTokenServer({ login, tls, address = '127.0.0.1' }: TokenServerOptions = {}): Promise<TokenServer> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const keyId = 'registry-test'
  const service = 'registry.test'
  const issuer = 'token-server.test'
  const requests: TokenRequest[] = []

  function mint(repository: string, actions: readonly string[]): string {
    const now = Math.floor(Date.now() / 1000)
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const access = [{ type: 'repository', name: repository, actions }]
    const times = { iat: now, nbf: now - 5, exp: now + 300 }
    const claims = { iss: issuer, sub: login?.username ?? '', aud: service, jti: randomUUID(), ...times, access }
    const signed = `${encode({ typ: 'JWT', alg: 'ES256', kid: keyId })}.${encode(claims)}`
    return `${signed}.${sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
  }

  async function respond(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', headers, url = '/' } = incoming
    const form = new URLSearchParams(await text(incoming))
    const parameters = method === 'POST' ? form : new URL(url, 'http://x').searchParams
    const request = { method, authorization: headers.authorization, parameters }
    requests.push(request)
    if (!isAllowed(request, login)) {
      response.writeHead(401, { 'content-type': 'application/json' })
      response.end('{"errors":[{"code":"UNAUTHORIZED","message":"no such login"}]}')
      return
    }
    const [, repository = '', actions = ''] = /^repository:([^:]+):(.+)$/.exec(parameters.get('scope') ?? '') ?? []
    const token = mint(repository, actions.split(','))
    const body = server.answer?.(token) ?? { token, access_token: token, expires_in: 300, issued_at: new Date().toISOString() }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }

  const listener = (incoming: IncomingMessage, response: ServerResponse) => {
    respond(incoming, response).catch(() => response.destroy())
  }
  const http = tls ? createTlsServer(tls, listener) : createServer(listener)
  http.listen(0, address)
  await once(http, 'listening')
  const server: TokenServer = {
    realm: `${tls ? 'https' : 'http'}://${address}:${(http.address() as AddressInfo).port}/token`,
    service,
    issuer,
    jwks: JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: keyId, use: 'sig', alg: 'ES256' }] }),
    requests,
    answer: undefined,
    mint,
    async [Symbol.asyncDispose]() {
      http.close()
      http.closeAllConnections()
    },
  }
  return server
}

function isAllowed({ method, authorization, parameters }: TokenRequest, login: TokenServerOptions['login']): boolean {
  if (!login) return true
  if (method === 'POST') return parameters.get('refresh_token') === login.refreshToken
  return authorization === `Basic ${Buffer.from(`${login.username}:${login.password}`).toString('base64')}`
}
