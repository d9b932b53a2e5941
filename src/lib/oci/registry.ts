/** A registry: tags, manifests and blobs of its repositories. Source: the OCI distribution specification 1.1. */
import { rm } from 'node:fs/promises'
import type { Dispatcher } from 'undici'
import { pause } from '../abort.ts'
import { type ConnectionOptions, dispatcherFor } from '../dispatcher.ts'
import { codeOf, rootMessageOf } from '../errors.ts'
import { isRecord } from '../json.ts'
import { assertDigest, bounded, type Download, digestOf, writeChecked } from './body.ts'
import { parseChallenge } from './challenge.ts'
import type { RegistryCredentials } from './docker-config.ts'
import { OciError } from './errors.ts'
import { type Descriptor, imageOf, type Manifest, manifestOf } from './manifest.ts'
import { isDigest } from './reference.ts'

export interface RegistryOptions extends ConnectionOptions {
  /** Plain HTTP: alone, or where the registry does not speak TLS. Absent: never. */
  readonly plainHttp?: 'only' | 'fallback' | undefined
  readonly userAgent?: string
  readonly credentials?: RegistryCredentials | undefined
  /** Ends everything that is under way. */
  readonly signal: AbortSignal
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
const mostRetries = 3
const longestRetryMs = 30_000
const shownBytes = 512

/** One registry with one login. Access tokens are kept as long as it lives. */
export class Registry implements AsyncDisposable {
  readonly #host: string
  readonly #options: RegistryOptions
  readonly #dispatcher: Dispatcher
  /** Scope → value of the Authorization header. */
  readonly #authorizations = new Map<string, string>()
  #origin: Promise<string> | undefined

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
    return (await this.#manifestBytes(repository, reference)).digest
  }

  /**
   * An image's manifest; of an index with several platforms, the one for linux/amd64, as go-containerregistry takes it.
   * @throws OciError; `corrupt` when it is not what the digest stands for, or no image.
   */
  async manifest(repository: string, reference: string): Promise<{ readonly digest: string; readonly manifest: Manifest }> {
    const { digest, body, contentType } = await this.#manifestBytes(repository, reference)
    const what = `the manifest ${this.#shown(repository, reference)}`
    const value = this.#json(body, what)
    const image = imageOf(value)
    if (image === undefined) return { digest, manifest: manifestOf(value, contentType, what) }
    const inner = await this.#manifestBytes(repository, image)
    return { digest: image, manifest: manifestOf(this.#json(inner.body, what), inner.contentType, what) }
  }

  async #manifestBytes(repository: string, reference: string) {
    const path = `/v2/${repository}/manifests/${reference}`
    const { body, headers } = await this.#get(repository, path, { accept: manifestTypes, maxBytes: longestManifest })
    if (isDigest(reference)) assertDigest(body, reference, `the manifest ${this.#shown(repository, reference)}`)
    const digest = isDigest(reference) ? reference : digestOf(body)
    return { digest, body, contentType: headers.get('content-type') ?? '' }
  }

  /** The bytes of a blob, checked with its digest. @throws OciError */
  async blob(repository: string, { digest }: Pick<Descriptor, 'digest'>, maxBytes: number): Promise<Buffer> {
    const { body } = await this.#get(repository, `/v2/${repository}/blobs/${digest}`, { maxBytes })
    assertDigest(body, digest, `the blob ${this.#shown(repository, digest)}`)
    return body
  }

  /** Writes a blob to a file, checked with its digest; what is not whole is removed. @throws OciError */
  async download(repository: string, { digest }: Pick<Descriptor, 'digest'>, target: Download): Promise<number> {
    try {
      const { size } = await this.#get(repository, `/v2/${repository}/blobs/${digest}`, { ...target, hashAs: digest })
      return size
    } catch (error) {
      await rm(target.file, { force: true })
      throw error
    }
  }

  async #get(repository: string, path: string, request: Request): Promise<Received> {
    const scope = `repository:${repository}:pull`
    this.#origin ??= this.#findOrigin()
    const url = new URL(path, await this.#origin)
    for (let retries = 0; ; retries++) {
      const received = await this.#asked(url, request, { scope, repository })
      const waitMs = retries < mostRetries ? retryAfterMs(received, retries) : undefined
      if (waitMs === undefined) return this.#accepted(received, repository)
      await pause(waitMs, this.#options.signal)
    }
  }

  /** A token that is refused may be too old: another one is asked for, once. */
  async #asked(url: URL, request: Request, { scope, repository }: { scope: string; repository: string }): Promise<Received> {
    const first = await this.#follow(url, request, this.#authorizations.get(scope))
    if (first.status !== 401) return first
    const authorization = await this.#authorize(first.headers.get('www-authenticate') ?? '', scope, repository)
    this.#authorizations.set(scope, authorization)
    return this.#follow(url, request, authorization)
  }

  /** Plain HTTP only where it is allowed, and then only where TLS does not work. Source: go-containerregistry's ping. */
  async #findOrigin(): Promise<string> {
    const [secure, plain] = [`https://${this.#host}`, `http://${this.#host}`]
    if (this.#options.plainHttp !== 'fallback') return this.#options.plainHttp ? plain : secure
    try {
      await this.#exchange(new URL('/v2/', secure), { maxBytes: shownBytes, cut: true })
      return secure
    } catch (error) {
      if (error instanceof OciError && error.code === 'network') return plain
      throw error
    }
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
      if (next?.protocol !== 'https:' && !(next?.protocol === 'http:' && this.#options.plainHttp))
        throw new OciError('refused', `${this.#host} redirects to an address that is not https`)
      target = next
    }
  }

  async #exchange(url: URL, request: Request, authorization?: string): Promise<Received> {
    const { method = 'GET', accept, form } = request
    const { userAgent } = this.#options
    try {
      const response = await this.#dispatcher.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: form ? 'POST' : method,
        headers: {
          ...(accept !== undefined && { accept }),
          ...(userAgent !== undefined && { 'user-agent': userAgent }),
          ...(authorization !== undefined && { authorization }),
          ...(form && { 'content-type': 'application/x-www-form-urlencoded' }),
        },
        ...(form && { body: form.toString() }),
        signal: this.#options.signal,
      })
      const headers = new Map(Object.entries(response.headers).map(([name, value]) => [name, String(value)]))
      return { status: response.statusCode, headers, ...(await this.#receive(response, request)) }
    } catch (error) {
      this.#options.signal.throwIfAborted()
      if (error instanceof OciError || isOfDisk(error)) throw error
      throw new OciError('network', `failed to reach ${url.host}: ${rootMessageOf(error)}`, { cause: error })
    }
  }

  async #receive(response: Dispatcher.ResponseData, { maxBytes, cut = false, file, hashAs }: Request) {
    const isGood = response.statusCode >= 200 && response.statusCode < 300
    if (isGood && file !== undefined && hashAs !== undefined)
      return { body: Buffer.alloc(0), size: await writeChecked(response.body, { file, maxBytes, digest: hashAs }) }
    const body = await bounded(response.body, isGood ? maxBytes : shownBytes, { cut: cut || !isGood })
    return { body, size: body.length }
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
    const { credentials, plainHttp } = this.#options
    const realm = URL.parse(parameters.get('realm') ?? '')
    if (!realm || (realm.protocol !== 'https:' && !(plainHttp && realm.protocol === 'http:')))
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

interface Request extends Partial<Download> {
  readonly method?: 'GET' | 'HEAD'
  readonly accept?: string
  readonly maxBytes: number
  /** What is beyond the bound is of no interest. */
  readonly cut?: boolean
  /** The digest that what is written to the file must have. */
  readonly hashAs?: string
  /** Sent by POST. */
  readonly form?: URLSearchParams
}

interface Received {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
  /** In bytes, also of what went into a file. */
  readonly size: number
}

/** The file could not be written: nothing is said of the registry. */
function isOfDisk(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EIO'].includes(codeOf(error) ?? '')
}

/** How long the registry wants us to wait; undefined for an answer that is final. Without a word, longer each time. */
function retryAfterMs({ status, headers }: Received, retries: number): number | undefined {
  if (status !== 429 && status !== 503) return undefined
  const told = headers.get('retry-after') ?? ''
  const seconds = /^\d+$/.test(told) ? Number(told) * 1000 : Date.parse(told) - Date.now()
  const waitMs = Number.isFinite(seconds) ? Math.max(0, seconds) : 500 * 2 ** retries
  // Those who were told the same time do not all come back at once.
  return Math.min(waitMs, longestRetryMs) * (1 + Math.random() / 10)
}

function oauthForm({ service, scope }: { service: string; scope: string }, identityToken: string): URLSearchParams {
  return new URLSearchParams({ grant_type: 'refresh_token', refresh_token: identityToken, service, scope, client_id: 'sluice' })
}

function basic({ username, password }: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** `Link: </v2/…?last=x>; rel="next"`, on the same registry. */
function nextPage(link: string | undefined, present: string): string | undefined {
  const target = /<([^>]*)>\s*;[^,]*\brel="?next"?/.exec(link ?? '')?.[1]
  const next = target === undefined ? null : URL.parse(target, `http://registry${present}`)
  return next?.pathname.startsWith('/v2/') ? next.pathname + next.search : undefined
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
