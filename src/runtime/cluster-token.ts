/** Clusters that trust the tokens of our service accounts: nothing is stored that could be stolen. */
import type { Client } from '../kube/client.ts'
import type { Credentials, KubeConfig, TlsSettings } from '../kube/config.ts'
import { pathOf } from '../kube/discovery.ts'
import { printJson } from '../lib/json.ts'

/** A cluster and whom to be there. */
export interface TrustingCluster {
  readonly server: URL
  readonly tls: TlsSettings
  /** For whom the token is: others do not accept it. */
  readonly audiences: readonly string[]
  readonly account: { readonly namespace: string; readonly name: string }
}

/** `client` asks for the tokens, in the cluster that has the account. */
export function configWithTokens({ server, tls, audiences, account }: TrustingCluster, client: Client): KubeConfig {
  const tokens = new Tokens(() => requestToken(client, account, audiences))
  const credentials = async (options?: { fresh?: boolean }): Promise<Credentials> => {
    return { authorization: `Bearer ${await tokens.current(options)}`, tls }
  }
  return { server, namespace: undefined, proxyUrl: undefined, identity: undefined, credentials }
}

interface Token {
  readonly text: string
  readonly lifeMs: number
}

/** A token is renewed in the last fifth of its life, at the latest after an hour. Source: token cache of fluxcd/pkg/cache. */
const share = 0.8
const longestMs = 3_600_000
/** One that was refused so short a time after it was made would be refused again. */
const newMs = 10_000

/** One token at a time. */
class Tokens {
  readonly #request: () => Promise<Token>
  #token: Token | undefined
  #madeAt = 0
  #making: Promise<Token> | undefined

  constructor(request: () => Promise<Token>) {
    this.#request = request
  }

  async current({ fresh = false } = {}): Promise<string> {
    const ageMs = performance.now() - this.#madeAt
    const token = this.#token
    const usableMs = fresh ? newMs : Math.min((token?.lifeMs ?? 0) * share, longestMs)
    if (token && ageMs < usableMs) return token.text
    this.#making ??= this.#make()
    const made = await this.#making.catch((error: unknown) => {
      if (token && !fresh && ageMs < token.lifeMs) return token
      throw error
    })
    return made.text
  }

  async #make(): Promise<Token> {
    try {
      const madeAt = performance.now()
      this.#token = await this.#request()
      this.#madeAt = madeAt
      return this.#token
    } finally {
      this.#making = undefined
    }
  }
}

interface TokenRequest {
  readonly spec: { readonly expirationSeconds: number }
  readonly status: { readonly token: string }
}

async function requestToken(client: Client, account: TrustingCluster['account'], audiences: readonly string[]): Promise<Token> {
  const mapping = await client.discovery.mapping({ apiVersion: 'v1', kind: 'ServiceAccount' })
  const answer = (await client.transport.request({
    method: 'POST',
    path: pathOf(mapping, { ...account, subresource: 'token' }),
    contentType: 'application/json',
    body: printJson({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences } }),
    verb: 'create',
  })) as TokenRequest
  return { text: answer.status.token, lifeMs: answer.spec.expirationSeconds * 1_000 }
}
