/** A registry: tags, manifests and blobs of its repositories. Source: the OCI distribution specification 1.1. */
import { createHash } from 'node:crypto'
import type { Dispatcher } from 'undici'
import { type ConnectionOptions, dispatcherFor } from '../dispatcher.ts'
import { rootMessageOf } from '../errors.ts'
import { isRecord } from '../json.ts'
import { parseChallenge } from './challenge.ts'
import type { RegistryCredentials } from './docker-config.ts'
import { OciError } from './errors.ts'
import { isDigest } from './reference.ts'

export interface RegistryOptions extends ConnectionOptions {
  /** Speak plain HTTP. */
  readonly insecure?: boolean
  readonly credentials?: RegistryCredentials | undefined
  /** Ends everything that is under way. */
  readonly signal: AbortSignal
}

/** Names some bytes of a repository. */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  /** In bytes. */
  readonly size: number
  readonly annotations?: Readonly<Record<string, string>>
}

export interface Manifest {
  readonly mediaType: string
  readonly config?: Descriptor
  readonly layers: readonly Descriptor[]
  readonly annotations: Readonly<Record<string, string>>
}

const manifestTypes = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
].join(', ')
const longestManifest = 4 * 1024 * 1024
const longestPage = 8 * 1024 * 1024
const longestToken = 64 * 1024
const mostPages = 1_000
const mostRedirects = 5
const shownBytes = 512

/** One registry with one login. Access tokens are kept as long as it lives. */
export class Registry implements AsyncDisposable {
  readonly #host: string
  readonly #options: RegistryOptions
  readonly #dispatcher: Dispatcher
  /** Scope → value of the Authorization header. */
  readonly #authorizations = new Map<string, string>()

  /** `host` with port. @throws what TLS says of certificates or keys that it cannot read. */
  constructor(host: string, options: RegistryOptions) {
    this.#host = host === 'index.docker.io' ? 'registry-1.docker.io' : host
    this.#options = options
    this.#dispatcher = dispatcherFor(options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy()
  }

  /** All tags of a repository, in the registry's order. @throws OciError */
  async tags(repository: string): Promise<string[]> {
    const found: string[] = []
    let path: string | undefined = `/v2/${repository}/tags/list?n=1000`
    for (let pages = 0; path !== undefined; pages++) {
      if (pages === mostPages) throw new OciError('tooLarge', `${this.#shown(repository)} has more than ${mostPages} pages of tags`)
      const { body, headers }: Received = await this.#get(repository, path, { maxBytes: longestPage })
      const page = this.#json(body, `the list of tags of ${this.#shown(repository)}`)
      if (Array.isArray(page.tags)) for (const tag of page.tags) if (typeof tag === 'string') found.push(tag)
      path = nextPage(headers.get('link'), path)
    }
    return found
  }

  /** The digest that a tag (or a digest) stands for now. @throws OciError */
  async resolve(repository: string, reference: string): Promise<string> {
    if (isDigest(reference)) return reference
    const path = `/v2/${repository}/manifests/${reference}`
    const { headers } = await this.#get(repository, path, { method: 'HEAD', accept: manifestTypes, maxBytes: 0 })
    const digest = headers.get('docker-content-digest')
    if (digest !== undefined && isDigest(digest)) return digest
    return (await this.manifest(repository, reference)).digest
  }

  /** @throws OciError; `corrupt` when it is an index, or not what the digest stands for. */
  async manifest(repository: string, reference: string): Promise<{ readonly digest: string; readonly manifest: Manifest }> {
    const path = `/v2/${repository}/manifests/${reference}`
    const { body, headers } = await this.#get(repository, path, { accept: manifestTypes, maxBytes: longestManifest })
    const what = `the manifest ${this.#shown(repository, reference)}`
    if (isDigest(reference)) assertDigest(body, reference, what)
    const digest = isDigest(reference) ? reference : digestOf(body)
    return { digest, manifest: manifestOf(this.#json(body, what), headers.get('content-type') ?? '', what) }
  }

  /** The bytes of a blob, checked with its digest. @throws OciError */
  async blob(repository: string, { digest }: Pick<Descriptor, 'digest'>, maxBytes: number): Promise<Buffer> {
    const { body } = await this.#get(repository, `/v2/${repository}/blobs/${digest}`, { maxBytes })
    assertDigest(body, digest, `the blob ${this.#shown(repository, digest)}`)
    return body
  }

  async #get(repository: string, path: string, request: Request): Promise<Received> {
    const scope = `repository:${repository}:pull`
    const url = new URL(path, `${this.#options.insecure ? 'http' : 'https'}://${this.#host}`)
    const first = await this.#follow(url, request, this.#authorizations.get(scope))
    if (first.status !== 401) return this.#accepted(first, repository)
    const authorization = await this.#authorize(first.headers.get('www-authenticate') ?? '', scope, repository)
    this.#authorizations.set(scope, authorization)
    return this.#accepted(await this.#follow(url, request, authorization), repository)
  }

  /** The Authorization header goes to the registry alone, never where it redirects to. */
  async #follow(url: URL, request: Request, authorization: string | undefined): Promise<Received> {
    let target = url
    for (let redirects = 0; ; redirects++) {
      const received = await this.#exchange(target, request, target.origin === url.origin ? authorization : undefined)
      const location = received.headers.get('location')
      if (received.status < 300 || received.status > 399 || location === undefined) return received
      if (redirects === mostRedirects) throw new OciError('refused', `${this.#host} redirects more than ${mostRedirects} times`)
      const next = URL.parse(location, target.href)
      if (next?.protocol !== 'https:' && !(next?.protocol === 'http:' && this.#options.insecure))
        throw new OciError('refused', `${this.#host} redirects to an address that is not https`)
      target = next
    }
  }

  async #exchange(url: URL, { method = 'GET', accept, maxBytes, form }: Request, authorization?: string): Promise<Received> {
    try {
      const response = await this.#dispatcher.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: form ? 'POST' : method,
        headers: {
          ...(accept !== undefined && { accept }),
          ...(authorization !== undefined && { authorization }),
          ...(form && { 'content-type': 'application/x-www-form-urlencoded' }),
        },
        ...(form && { body: form.toString() }),
        signal: this.#options.signal,
      })
      const headers = new Map(Object.entries(response.headers).map(([name, value]) => [name, String(value)]))
      const isGood = response.statusCode >= 200 && response.statusCode < 300
      const body = await bounded(response.body, isGood ? maxBytes : shownBytes, { cut: !isGood })
      return { status: response.statusCode, headers, body }
    } catch (error) {
      this.#options.signal.throwIfAborted()
      if (error instanceof OciError) throw error
      throw new OciError('network', `failed to reach ${url.host}: ${rootMessageOf(error)}`, { cause: error })
    }
  }

  /** @throws OciError `authentication` when the registry does not accept the login. */
  async #authorize(header: string, scope: string, repository: string): Promise<string> {
    const challenge = parseChallenge(header)
    const { credentials } = this.#options
    if (credentials && 'registryToken' in credentials) return `Bearer ${credentials.registryToken}`
    if (challenge?.scheme === 'basic' && credentials && 'username' in credentials) return basic(credentials)
    if (challenge?.scheme !== 'bearer')
      throw new OciError('authentication', `${this.#host}: authentication required for ${repository}`)
    return `Bearer ${await this.#token(challenge.parameters, scope, repository)}`
  }

  async #token(parameters: ReadonlyMap<string, string>, scope: string, repository: string): Promise<string> {
    const { credentials, insecure } = this.#options
    const realm = URL.parse(parameters.get('realm') ?? '')
    if (!realm || (realm.protocol !== 'https:' && !(insecure && realm.protocol === 'http:')))
      throw new OciError('refused', `${this.#host} names no https address to log in at`)
    const query = { service: parameters.get('service') ?? '', scope: parameters.get('scope') ?? scope }
    const identityToken = credentials && 'identityToken' in credentials ? credentials.identityToken : undefined
    const form = identityToken !== undefined && oauthForm(query, identityToken)
    if (!form) for (const [name, value] of Object.entries(query)) if (value) realm.searchParams.set(name, value)
    const login = credentials && 'username' in credentials ? basic(credentials) : undefined
    const received = await this.#exchange(realm, { maxBytes: longestToken, ...(form && { form }) }, login)
    const answer = this.#json(this.#accepted(received, repository).body, `the token of ${realm.host}`)
    const token = answer.token ?? answer.access_token
    if (typeof token === 'string' && /^[\x21-\x7e]+$/.test(token)) return token
    throw new OciError('authentication', `${realm.host} gave no token for ${repository}`)
  }

  #accepted(received: Received, repository: string): Received {
    const { status } = received
    if (status >= 200 && status < 300) return received
    const why = this.#redact(explained(received.body))
    const where = this.#shown(repository)
    if (status === 401 || status === 403) {
      const what = status === 401 ? 'unauthorized: authentication required' : 'denied'
      throw new OciError('authentication', `${where}: ${what}${why && `: ${why}`} (HTTP status ${status})`)
    }
    if (status === 404) throw new OciError('notFound', `${where}: not found${why && `: ${why}`}`)
    throw new OciError('refused', `${where}: HTTP status ${status}${why && `: ${why}`}`)
  }

  #json(body: Buffer, what: string): Readonly<Record<string, unknown>> {
    try {
      const value: unknown = JSON.parse(body.toString('utf8'))
      if (isRecord(value)) return value
    } catch {
      // said below
    }
    throw new OciError('corrupt', `${what} is no JSON object`)
  }

  #shown(repository: string, reference = ''): string {
    const separator = reference === '' ? '' : isDigest(reference) ? '@' : ':'
    return `${this.#host}/${repository}${separator}${reference}`
  }

  #redact(text: string): string {
    const { credentials } = this.#options
    const secrets = credentials ? Object.entries(credentials).filter(([name]) => name !== 'username') : []
    return secrets.reduce((shown, [, secret]) => (secret ? shown.replaceAll(secret, '***') : shown), text)
  }
}

interface Request {
  readonly method?: 'GET' | 'HEAD'
  readonly accept?: string
  readonly maxBytes: number
  /** Sent by POST. */
  readonly form?: URLSearchParams
}

interface Received {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
}

function oauthForm({ service, scope }: { service: string; scope: string }, identityToken: string): URLSearchParams {
  return new URLSearchParams({ grant_type: 'refresh_token', refresh_token: identityToken, service, scope, client_id: 'sluice' })
}

function basic({ username, password }: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** @throws OciError `tooLarge`, unless what is beyond the bound is to be cut off. */
async function bounded(body: AsyncIterable<Uint8Array>, maxBytes: number, { cut }: { readonly cut: boolean }): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    chunks.push(chunk)
    size += chunk.length
    if (size <= maxBytes) continue
    if (cut) break
    throw new OciError('tooLarge', `the registry sends more than ${maxBytes} bytes`)
  }
  return Buffer.concat(chunks).subarray(0, maxBytes)
}

/** `Link: </v2/…?last=x>; rel="next"`, on the same registry. */
function nextPage(link: string | undefined, present: string): string | undefined {
  const target = /<([^>]*)>\s*;[^,]*\brel="?next"?/.exec(link ?? '')?.[1]
  const next = target === undefined ? null : URL.parse(target, `http://registry${present}`)
  return next?.pathname.startsWith('/v2/') ? next.pathname + next.search : undefined
}

function digestOf(body: Buffer): string {
  return `sha256:${createHash('sha256').update(body).digest('hex')}`
}

function assertDigest(body: Buffer, digest: string, what: string): void {
  const [algorithm = '', wanted] = digest.split(':')
  const found = createHash(algorithm).update(body).digest('hex')
  if (found !== wanted) throw new OciError('corrupt', `${what} is not what its digest stands for: it has ${algorithm}:${found}`)
}

function manifestOf(value: Readonly<Record<string, unknown>>, contentType: string, what: string): Manifest {
  const mediaType = typeof value.mediaType === 'string' ? value.mediaType : contentType.replace(/;.*$/s, '').trim()
  if (!Array.isArray(value.layers))
    throw new OciError(
      'corrupt',
      `${what} is an index or has no layers: an image manifest is needed, and this is ${mediaType || 'of no type'}`,
    )
  return {
    mediaType,
    layers: value.layers.map((layer) => descriptorOf(layer, what)),
    ...(value.config !== undefined && { config: descriptorOf(value.config, what) }),
    annotations: annotationsOf(value.annotations),
  }
}

function descriptorOf(value: unknown, what: string): Descriptor {
  if (!isRecord(value) || typeof value.digest !== 'string' || !isDigest(value.digest))
    throw new OciError('corrupt', `${what} has a layer without a valid digest`)
  return {
    mediaType: typeof value.mediaType === 'string' ? value.mediaType : '',
    digest: value.digest,
    size: typeof value.size === 'number' ? value.size : 0,
    annotations: annotationsOf(value.annotations),
  }
}

function annotationsOf(value: unknown): Readonly<Record<string, string>> {
  if (!isRecord(value)) return {}
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}

/** The registry's own words: `{"errors":[{"code","message"}]}`, else the beginning of the text. */
function explained(body: Buffer): string {
  const text = body.toString('utf8')
  try {
    const value: unknown = JSON.parse(text)
    const errors = isRecord(value) && Array.isArray(value.errors) ? value.errors.filter(isRecord) : []
    return errors.map(({ code, message }) => [code, message].filter((part) => typeof part === 'string').join(': ')).join('; ')
  } catch {
    return text.replace(unprintable, ' ').trim()
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not get into a message
const unprintable = /[\s\u0000-\u001f\u007f]+/g
