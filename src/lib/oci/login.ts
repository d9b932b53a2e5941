/** Logging in: what is sent to a registry that asks who we are. Source: the distribution token specification; go-containerregistry. */
import { accepted, jsonOf } from './answer.ts'
import { type Challenge, parseChallenge } from './challenge.ts'
import type { RegistryCredentials } from './docker-config.ts'
import { OciError } from './errors.ts'
import { assertReachable, type Transport } from './transport.ts'

const longestToken = 64 * 1024

/** A registry's answer that asks for a login. */
export interface Asked {
  /** `WWW-Authenticate`. */
  readonly header: string
  /** What was asked of the registry. */
  readonly url: URL
  readonly repository: string
}

/**
 * The value of the Authorization header; undefined where the registry wants what we do not have.
 * @throws OciError when whoever gives the tokens refuses, or is somebody that our login must not be sent to.
 */
export async function authorize(
  asked: Asked,
  credentials: RegistryCredentials | undefined,
  transport: Transport,
): Promise<string | undefined> {
  if (credentials && 'registryToken' in credentials) return `Bearer ${credentials.registryToken}`
  const challenge = parseChallenge(asked.header)
  if (challenge?.scheme === 'bearer') return `Bearer ${await tokenFor(asked, challenge, { credentials, transport })}`
  return challenge && credentials && 'username' in credentials ? basic(credentials) : undefined
}

interface Means {
  readonly credentials: RegistryCredentials | undefined
  readonly transport: Transport
}

async function tokenFor({ url, repository }: Asked, { parameters }: Challenge, { credentials, transport }: Means): Promise<string> {
  const realm = realmOf(url, parameters.get('realm') ?? '')
  const wanted = new URLSearchParams()
  const service = parameters.get('service')
  if (service) wanted.set('service', service)
  wanted.set('scope', parameters.get('scope') ?? `repository:${repository}:pull`)
  const received = await transport.exchange(withLogin(realm, wanted, credentials), {
    maxBytes: longestToken,
    ...(credentials && 'identityToken' in credentials && { form: refreshForm(wanted, credentials.identityToken) }),
    ...(credentials && 'username' in credentials && { authorization: basic(credentials) }),
  })
  const what = `token of ${realm.host} for ${repository}`
  const answer = jsonOf(accepted(received, what, credentials).body, what)
  const token = answer.access_token || answer.token
  if (typeof token === 'string' && /^[\x21-\x7e]+$/.test(token)) return token
  throw new OciError('authentication', `${realm.host} gave no token for ${repository}`)
}

/** Where the tokens are. A registry that is reached by TLS may not send a login elsewhere without. @throws OciError */
function realmOf(registry: URL, text: string): URL {
  const realm = URL.parse(text)
  if (realm?.protocol !== 'https:' && !(realm?.protocol === 'http:' && registry.protocol === 'http:'))
    throw new OciError('refused', `${registry.host} names no https address to log in at`)
  if (realm.host !== registry.host) assertReachable(registry, realm)
  return realm
}

/** A refresh token goes into the form, with all the rest. */
function withLogin(realm: URL, wanted: URLSearchParams, credentials: RegistryCredentials | undefined): URL {
  const url = new URL(realm)
  if (credentials && 'identityToken' in credentials) return url
  for (const [name, value] of wanted) url.searchParams.set(name, value)
  return url
}

function refreshForm(wanted: URLSearchParams, identityToken: string): URLSearchParams {
  const form = new URLSearchParams(wanted)
  form.set('grant_type', 'refresh_token')
  form.set('refresh_token', identityToken)
  form.set('client_id', 'sluice')
  return form
}

function basic({ username, password }: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}
