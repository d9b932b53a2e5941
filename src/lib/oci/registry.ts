/** A registry: tags, manifests and blobs of its repositories. Source: the OCI distribution specification 1.1. */
import { rm } from 'node:fs/promises'
import { pause } from '../abort.ts'
import { messageOf } from '../errors.ts'
import { accepted, jsonOf } from './answer.ts'
import { type Download, digestOf } from './body.ts'
import type { RegistryCredentials } from './docker-config.ts'
import { isOciError, OciError } from './errors.ts'
import { authorize } from './login.ts'
import { type Descriptor, imageOf, type Manifest, manifestOf } from './manifest.ts'
import { isDigest, isTag } from './reference.ts'
import { type Received, type Request, Transport, type TransportOptions } from './transport.ts'

export interface RegistryOptions extends TransportOptions {
  /** Plain HTTP: alone, or where the registry does not speak TLS. Absent: never. */
  readonly plainHttp?: 'only' | 'fallback' | undefined
  readonly credentials?: RegistryCredentials | undefined
}

const manifestTypes = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
].join(', ')
const longestManifest = 4 * 1024 * 1024
const longestPage = 8 * 1024 * 1024
const mostPages = 1_000
const mostTags = 1_000_000
/** How long TLS has before plain HTTP is tried beside it. Source: go-containerregistry's ping. */
const headStartMs = 300

/** One registry with one login. Access tokens are kept as long as it lives. */
export class Registry implements AsyncDisposable {
  readonly #host: string
  readonly #options: RegistryOptions
  readonly #transport: Transport
  /** Repository → value of the Authorization header. */
  readonly #authorizations = new Map<string, string>()
  #origin: Promise<string> | undefined

  /** `host` with port. @throws what TLS says of certificates or keys that it cannot read. */
  constructor(host: string, options: RegistryOptions) {
    this.#host = host === 'index.docker.io' ? 'registry-1.docker.io' : host
    this.#options = options
    this.#transport = new Transport(options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#transport[Symbol.asyncDispose]()
  }

  /** All tags of a repository, in the registry's order. @throws OciError */
  async tags(repository: string): Promise<string[]> {
    const found: string[] = []
    let path: string | undefined = `/v2/${repository}/tags/list?n=1000`
    for (let pages = 0; path !== undefined; pages++) {
      const what = `the list of tags of ${this.#shown(repository)}`
      if (pages === mostPages) throw new OciError('tooLarge', `${what} has more than ${mostPages} pages`)
      const { body, headers }: Received = await this.#get({ repository, path, what }, { maxBytes: longestPage })
      const page = jsonOf(body, what)
      if (Array.isArray(page.tags)) for (const tag of page.tags) if (typeof tag === 'string' && isTag(tag)) found.push(tag)
      if (found.length > mostTags) throw new OciError('tooLarge', `${what} has more than ${mostTags} tags`)
      path = nextPage(headers.get('link'), path)
    }
    return found
  }

  /** The digest that a tag (or a digest) stands for now. @throws OciError */
  async resolve(repository: string, reference: string): Promise<string> {
    if (isDigest(reference)) return reference
    const target = this.#manifestTarget(repository, reference)
    const request = { method: 'HEAD', accept: manifestTypes, maxBytes: 0 } as const
    const head = await this.#get(target, request).catch((error: unknown) => {
      // The answer to HEAD cannot say why, and some registries do not know it.
      if (!isOciError(error) || error.code === 'network') throw error
      return undefined
    })
    const digest = head?.headers.get('docker-content-digest')
    if (digest !== undefined && isDigest(digest)) return digest
    return (await this.#manifestBytes(repository, reference)).digest
  }

  /**
   * An image's manifest; of an index with several platforms, the one for linux/amd64, as go-containerregistry takes it.
   * @throws OciError; `corrupt` when it is not what the digest stands for, or no image.
   */
  async manifest(repository: string, reference: string): Promise<{ readonly digest: string; readonly manifest: Manifest }> {
    const what = this.#shown(repository, reference)
    const outer = await this.#manifestBytes(repository, reference)
    const value = jsonOf(outer.body, what)
    const image = imageOf(value, what)
    if (image === undefined) return { digest: outer.digest, manifest: manifestOf(value, outer.contentType, what) }
    const inner = await this.#manifestBytes(repository, image)
    return { digest: image, manifest: manifestOf(jsonOf(inner.body, what), inner.contentType, what) }
  }

  async #manifestBytes(repository: string, reference: string) {
    const digest = isDigest(reference) ? reference : undefined
    const request = { accept: manifestTypes, maxBytes: longestManifest, digest }
    const { body, headers } = await this.#get(this.#manifestTarget(repository, reference), request)
    return { digest: digest ?? digestOf(body), body, contentType: headers.get('content-type') ?? '' }
  }

  #manifestTarget(repository: string, reference: string): Target {
    return { repository, path: `/v2/${repository}/manifests/${reference}`, what: this.#shown(repository, reference) }
  }

  /** The bytes of a blob, checked with its digest. @throws OciError */
  async blob(repository: string, { digest }: Pick<Descriptor, 'digest'>, maxBytes: number): Promise<Buffer> {
    return (await this.#get(this.#blobTarget(repository, digest), { maxBytes, digest })).body
  }

  /** Writes a blob to a file, checked with its digest; what is not whole is removed. Returns its size in bytes. @throws OciError */
  async download(repository: string, { digest }: Pick<Descriptor, 'digest'>, { file, maxBytes }: Download): Promise<number> {
    try {
      return (await this.#get(this.#blobTarget(repository, digest), { file, maxBytes, digest })).size
    } catch (error) {
      await rm(file, { force: true })
      throw error
    }
  }

  #blobTarget(repository: string, digest: string): Target {
    return { repository, path: `/v2/${repository}/blobs/${digest}`, what: this.#shown(repository, digest) }
  }

  async #get(target: Target, request: Request): Promise<Received> {
    this.#origin ??= this.#findOrigin()
    const url = new URL(target.path, await this.#origin)
    try {
      return this.#accepted(await this.#asked(url, request, target.repository), target.what)
    } catch (error) {
      if (!isOciError(error) || error.code !== 'corrupt') throw error
      throw new OciError('corrupt', `${target.what}: ${error.message}`, { cause: error })
    }
  }

  /** A token that is refused may be too old: another one is asked for, once. Who else says 401, gets none. */
  async #asked(url: URL, request: Request, repository: string): Promise<Received> {
    const authorization = this.#authorizations.get(repository)
    const first = await this.#transport.follow(url, { ...request, authorization })
    if (first.status !== 401 || first.origin !== url.origin) return first
    const challenge = { header: first.headers.get('www-authenticate') ?? '', url, repository }
    const granted = await authorize(challenge, this.#options.credentials, this.#transport)
    if (granted === undefined || granted === authorization) return first
    this.#authorizations.set(repository, granted)
    return this.#transport.follow(url, { ...request, authorization: granted })
  }

  /** Plain HTTP only where it is allowed, and then only where TLS does not work. Source: go-containerregistry's ping. */
  async #findOrigin(): Promise<string> {
    const [secure, plain] = [`https://${this.#host}`, `http://${this.#host}`]
    if (this.#options.plainHttp !== 'fallback') return this.#options.plainHttp ? plain : secure
    const first = this.#probe(secure)
    const settled = new AbortController()
    const second = afterHeadStart(first, settled.signal).then(() => this.#probe(plain))
    try {
      return await Promise.any([first, second])
    } catch (error) {
      this.#options.signal.throwIfAborted()
      const [https, http] = error instanceof AggregateError ? error.errors.map(messageOf) : []
      throw new OciError('network', `${https}; and without TLS: ${http}`, { cause: error })
    } finally {
      settled.abort()
    }
  }

  /** Some servers of TLS answer plain HTTP too: by saying that they do not speak it. */
  async #probe(origin: string): Promise<string> {
    const { status } = await this.#transport.exchange(new URL('/v2/', origin), { maxBytes: longestPage, retries: 0 })
    if (status === 200 || status === 401) return origin
    throw new OciError('refused', `${origin}/v2/: HTTP status ${status}`)
  }

  #accepted(received: Received, what: string): Received {
    return accepted(received, what, this.#options.credentials)
  }

  #shown(repository: string, reference = ''): string {
    const separator = reference === '' ? '' : isDigest(reference) ? '@' : ':'
    return `${this.#host}/${repository}${separator}${reference}`
  }
}

/** What is asked for, and how that is called in errors. */
interface Target {
  readonly repository: string
  readonly path: string
  readonly what: string
}

/** Until TLS has failed or had its time. @throws when it has worked before. */
async function afterHeadStart(secure: Promise<unknown>, settled: AbortSignal): Promise<void> {
  const { promise: failed, resolve: fail } = Promise.withResolvers<void>()
  secure.catch(() => fail())
  await Promise.race([failed, pause(headStartMs, settled).catch(() => {})])
  settled.throwIfAborted()
}

/** `Link: </v2/…?last=x>; rel="next"`, on the same registry. */
function nextPage(link: string | undefined, present: string): string | undefined {
  const target = /<([^>]*)>\s*;[^,]*\brel="?next"?/.exec(link ?? '')?.[1]
  const next = target === undefined ? null : URL.parse(target, `http://registry${present}`)
  return next?.pathname.startsWith('/v2/') ? next.pathname + next.search : undefined
}
