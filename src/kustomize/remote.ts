/** Remote bases and files of a build: commits over Git's HTTP, and single files, bounded in time and size. Used in worker threads. */
import { STATUS_CODES } from 'node:http'
import type { Dispatcher } from 'undici'
import { dispatcherFor } from '../lib/dispatcher.ts'
import { formatDuration } from '../lib/duration.ts'
import { BuildError, rootMessageOf } from '../lib/errors.ts'
import { type Candidate, type Checkout, fetchCommit, GitError, listFiles, parseRemoteUrl, Remote } from '../lib/git/index.ts'
import { type RemoteRequest, type RepoSpec, repoSpecOf } from '../lib/kustomize/index.ts'
import { memoryTree, type Tree } from '../lib/tree.ts'
import { environmentProxies } from '../runtime/proxies.ts'

export interface RemotesOptions {
  readonly signal: AbortSignal
  /** For everything that one build fetches; each request ends after 27 s, or what its URL says, at the latest. */
  readonly timeoutMs: number
  /** Of everything that one build fetches; 128 MiB if not given. */
  readonly maxBytes?: number
}

const mebibyte = 1024 * 1024
const maxFileBytes = 32 * mebibyte
const packLimits = { maxObjects: 500_000, maxObjectBytes: 64 * mebibyte, maxTotalBytes: 1024 * mebibyte }
/** As of Git requests in kustomize; its file requests have none. */
const fileTimeoutMs = 27_000
/** Source: Go net/http.Client. */
const mostRedirects = 10

/** What one build fetches. Without credentials: everything has to be public. Source: kustomize's fileloader.go and git/cloner.go. */
export class Remotes implements AsyncDisposable {
  readonly #signal: AbortSignal
  readonly #endsAt: number
  #bytesLeft: number
  #mayMove = false
  #dispatcher: Dispatcher | undefined

  constructor({ signal, timeoutMs, maxBytes = 128 * mebibyte }: RemotesOptions) {
    this.#signal = signal
    this.#endsAt = performance.now() + timeoutMs
    this.#bytesLeft = maxBytes
  }

  /** Whether the same build may give something else tomorrow: anything was used but commits named by their ids. */
  get mayMove(): boolean {
    return this.#mayMove
  }

  /** @throws BuildError for URLs that are refused, and when the build is aborted; other errors for what cannot be fetched. */
  async load(request: RemoteRequest): Promise<Tree | Uint8Array | undefined> {
    try {
      return await (request.kind === 'git' ? this.#commit(request) : this.#file(request.url))
    } catch (error) {
      if (this.#signal.aborted) throw new BuildError('the build was cancelled', {}, { cause: error })
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher?.destroy()
  }

  async #commit(spec: RepoSpec): Promise<Tree> {
    const { url } = addressOf(spec.cloneUrl)
    if (!commitId.test(spec.ref)) this.#mayMove = true
    return this.#within(spec.timeoutMs, async (signal) => {
      await using remote = new Remote(url, { proxies: environmentProxies(), signal, maxPackBytes: this.#bytesLeft })
      const checkout = await fetchCommit(remote, [await resolve(remote, spec.ref)], { signal, limits: packLimits })
      this.#take(checkout.pack.sizeBytes)
      return treeOf(checkout, spec)
    })
  }

  /** Undefined for what is not a file but may be a repository: kustomize then looks for that. */
  async #file(text: string): Promise<Uint8Array | undefined> {
    const { url } = addressOf(text)
    const repository = repoSpecOf(text)
    try {
      const content = await this.#within(repository?.timeoutMs ?? fileTimeoutMs, (signal) => this.#download(url, signal))
      this.#mayMove = true
      return content
    } catch (error) {
      if (repository && !(error instanceof TimeoutError)) return undefined
      throw error
    }
  }

  async #download(start: URL, signal: AbortSignal): Promise<Uint8Array> {
    this.#dispatcher ??= dispatcherFor({ proxies: environmentProxies() })
    let url = start
    for (let redirects = 0; redirects <= mostRedirects; redirects++) {
      const { statusCode, headers, body } = await this.#dispatcher.request({
        ...{ origin: url.origin, path: url.pathname + url.search, method: 'GET', signal },
        // The signal bounds the whole, however slowly bytes trickle in.
        ...{ headersTimeout: 0, bodyTimeout: 0 },
      })
      if (statusCode >= 200 && statusCode <= 299) return this.#read(body)
      await body.dump()
      if (!redirectCodes.has(statusCode) || headers.location === undefined)
        throw new Error(`HTTP Error: status code ${statusCode} (${STATUS_CODES[statusCode] ?? ''})`)
      url = redirected(url, String(headers.location))
    }
    throw new Error(`stopped after ${mostRedirects} redirects`)
  }

  async #read(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
    const limit = Math.min(maxFileBytes, this.#bytesLeft)
    const parts: Uint8Array[] = []
    let size = 0
    for await (const part of body) {
      size += part.length
      if (size > limit) throw new Error(`the server sends more than the limit of ${limit} bytes`)
      parts.push(part)
    }
    this.#take(size)
    return Buffer.concat(parts)
  }

  #take(bytes: number): void {
    this.#bytesLeft = Math.max(0, this.#bytesLeft - bytes)
  }

  async #within<T>(ownTimeoutMs: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const timeoutMs = Math.max(0, Math.min(ownTimeoutMs, Math.floor(this.#endsAt - performance.now())))
    const timeout = AbortSignal.timeout(timeoutMs)
    try {
      return await work(AbortSignal.any([this.#signal, timeout]))
    } catch (error) {
      if (timeout.aborted) throw new TimeoutError(`hit ${formatDuration(timeoutMs)} timeout`, { cause: error })
      throw new Error(rootMessageOf(error), { cause: error })
    }
  }
}

class TimeoutError extends Error {}

const redirectCodes: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
const commitId = /^[0-9a-f]{40}$/
const longestRef = 1024

/** @throws Error for anything but http and https; BuildError, without the URL, when it holds credentials. */
function addressOf(text: string): { url: URL } {
  if (/^file:\/\//i.test(text)) throw new Error('file:// is not supported: use a path in the source')
  if (!/^https?:\/\//i.test(text)) throw new Error('Git over SSH is not supported: use an https:// URL')
  const { url, username, password, shown } = parseRemoteUrl(text)
  if (username === '' && password === '') return { url }
  throw new BuildError(
    `the remote base or file ${shown} has credentials in its URL, which is not supported: use one that needs none`,
  )
}

function redirected(from: URL, location: string): URL {
  const to = URL.parse(location, from.href)
  const isHttp = to?.protocol === 'https:' || (to?.protocol === 'http:' && from.protocol === 'http:')
  if (!to || !isHttp) throw new Error(`the server redirects to ${to?.protocol ?? 'an invalid address'}, which is not allowed`)
  return to
}

/** What `git fetch <url> <ref>` fetches; a tag goes before a branch. Source: gitrevisions(7). */
async function resolve(remote: Remote, ref: string): Promise<Candidate> {
  if (commitId.test(ref)) return { name: '', want: ref, commit: ref }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they would get into the protocol
  if (ref.length > longestRef || /[\u0000-\u0020\u007f]/.test(ref)) throw new GitError('missingRef', 'the ref is not a valid name')
  const names = ref === '' ? ['HEAD'] : [ref, `refs/${ref}`, `refs/tags/${ref}`, `refs/heads/${ref}`]
  const refs = await remote.refs(names)
  for (const name of names) {
    const found = refs.find((candidate) => candidate.name === name)
    if (found) return { name, want: found.id, commit: found.peeled ?? found.id }
  }
  throw new GitError('missingRef', `couldn't find remote ref ${ref || 'HEAD'}`)
}

/** The files of a commit, each unpacked when it is read. */
function treeOf({ pack, commit }: Checkout, spec: RepoSpec): Tree {
  const ids = new Map(listFiles(pack, commit.tree).map(({ path, id }) => [path, id]))
  const names = memoryTree([...ids.keys()].map((path) => [path, '']))
  const read = (path: string): Uint8Array | undefined => {
    const id = ids.get(path)
    return id === undefined ? undefined : pack.read(id, 'blob')
  }
  const submodules = spec.submodules ? submodulePaths(read('.gitmodules')) : []
  const refuseSubmodule = (path: string): void => {
    const submodule = submodules.find((folder) => path === folder || path.startsWith(`${folder}/`))
    if (submodule !== undefined)
      throw new BuildError(
        `'${submodule}' in ${spec.cloneUrl} is a submodule, which is not supported: name the submodule's own repository as the base`,
      )
  }
  return {
    read(path) {
      refuseSubmodule(path)
      return read(path)
    },
    list(path) {
      refuseSubmodule(path)
      return names.list(path)
    },
  }
}

/** Source: gitmodules(5). */
function submodulePaths(content: Uint8Array | undefined): string[] {
  const text = new TextDecoder().decode(content)
  return [...text.matchAll(/^[ \t]*path[ \t]*=[ \t]*"?([^"\r\n]+?)\/?"?[ \t]*\r?$/gm)].map(([, path = '']) => path)
}
