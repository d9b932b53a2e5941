/** One client for every kind: the verbs of the Kubernetes API. */

import { type KubeObject, type ObjectRef, refOf } from '../api/object.ts'
import { parseJson, printJson } from '../lib/json.ts'
import type { Identity } from './config.ts'
import { type Discovery, type PathTarget, pathOf } from './discovery.ts'
import { ApiError, statusError, type Transport, type TransportRequest } from './transport.ts'

export type { Identity } from './config.ts'

/** A kind by its apiVersion and kind, as manifests name it. */
export interface KindRef {
  readonly apiVersion: string
  readonly kind: string
}

export interface CallOptions {
  readonly signal?: AbortSignal
}

export interface ListOptions extends CallOptions {
  /** Absent: all namespaces. */
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
  /** Ask for PartialObjectMetadata: no spec, no status. */
  readonly metadataOnly?: boolean
  /** `'0'` allows the API server to answer from its cache; absent means a consistent read. */
  readonly resourceVersion?: string
}

export interface ObjectList<T extends KubeObject = KubeObject> {
  /** Every item carries `apiVersion` and `kind`, which the API server leaves out of typed lists. */
  readonly items: readonly T[]
  readonly resourceVersion: string
}

export interface WriteOptions extends CallOptions {
  readonly fieldManager: string
  readonly dryRun?: boolean
  readonly subresource?: 'status'
  /** Answer with PartialObjectMetadata: the rest of the object is not wanted back. */
  readonly metadataOnly?: boolean
  /** What to do about unknown and duplicate fields; the API server's choice when absent (Warn), as Flux leaves it. */
  readonly fieldValidation?: 'Ignore' | 'Warn' | 'Strict'
}

export interface DeleteOptions extends CallOptions {
  readonly propagation?: 'Background' | 'Foreground' | 'Orphan'
  /** Preconditions: the delete is refused with a conflict when the live object differs. */
  readonly uid?: string
  readonly resourceVersion?: string
}

export interface WatchOptions extends Omit<ListOptions, 'resourceVersion'> {
  /** Absent only together with `sendInitialEvents`. */
  readonly resourceVersion?: string
  readonly signal: AbortSignal
  /** Streaming list: what exists comes first, as ADDED, up to a BOOKMARK with the annotation `k8s.io/initial-events-end`. */
  readonly sendInitialEvents?: boolean
  /** When the API server ends the watch. */
  readonly timeoutSeconds?: number
  /** A watch that brings nothing for this long, not even a bookmark, is broken off with a ConnectionError. */
  readonly idleTimeoutMs?: number
}

/** What a watch delivers. `BOOKMARK` objects carry only a resourceVersion. */
export interface WatchEvent<T extends KubeObject = KubeObject> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'
  readonly object: T
}

const pageSize = 500
const maxListRestarts = 3

/**
 * Verbs on any kind. All throw `ApiError` for an answer of the API server that is not a success (also for names that cannot be part of
 * a path, and kinds that do not exist), and `ConnectionError` when there is no answer.
 */
export class Client implements AsyncDisposable {
  readonly transport: Transport
  readonly discovery: Discovery

  constructor(transport: Transport, discovery: Discovery) {
    this.transport = transport
    this.discovery = discovery
  }

  /** @throws ApiError with `reason: 'NotFound'` when it does not exist. */
  async get<T extends KubeObject = KubeObject>(ref: ObjectRef, options: CallOptions = {}): Promise<T> {
    const path = await this.#path(ref, ref, options)
    return (await this.transport.request({ method: 'GET', path, verb: 'get', signal: options.signal })) as T
  }

  /** As `get`, but undefined when it does not exist. */
  async find<T extends KubeObject = KubeObject>(
    ref: ObjectRef,
    options: CallOptions & { metadataOnly?: boolean } = {},
  ): Promise<T | undefined> {
    try {
      if (!options.metadataOnly) return await this.get<T>(ref, options)
      const path = await this.#path(ref, ref, options)
      const accept = metadataAccept('PartialObjectMetadata')
      return named(await this.transport.request({ method: 'GET', path, verb: 'get', accept, signal: options.signal }), ref, true)
    } catch (error) {
      if (error instanceof ApiError && error.reason === 'NotFound') return undefined
      throw error
    }
  }

  /** Reads every page; begins again when the pages expire meanwhile. */
  async list<T extends KubeObject = KubeObject>(kind: KindRef, options: ListOptions = {}): Promise<ObjectList<T>> {
    for (let restarts = 0; ; restarts++) {
      try {
        const items: T[] = []
        let resourceVersion = ''
        for await (const page of this.pages<T>(kind, options)) {
          for (const item of page.items) items.push(item)
          resourceVersion = page.resourceVersion
        }
        return { items, resourceVersion }
      } catch (error) {
        if (!isExpired(error) || restarts === maxListRestarts) throw error
      }
    }
  }

  /**
   * The pages of a list, 500 objects each, all of one moment.
   * @throws ApiError with status 410 when reading them takes longer than the API server keeps them (some minutes).
   */
  async *pages<T extends KubeObject = KubeObject>(
    kind: KindRef,
    options: ListOptions = {},
  ): AsyncGenerator<ObjectList<T>, void, undefined> {
    const path = await this.#path(kind, options, options)
    const query = selectorsOf(options)
    let next: string | undefined
    do {
      // A continued list is of the moment of its first page: naming a version again is an error.
      const at = next ? { continue: next } : { resourceVersion: options.resourceVersion }
      const answer = (await this.transport.request({
        method: 'GET',
        path: withQuery(path, { ...query, limit: `${pageSize}`, ...at }),
        verb: 'list',
        signal: options.signal,
        ...(options.metadataOnly && { accept: metadataAccept('PartialObjectMetadataList') }),
      })) as ListAnswer
      next = answer.metadata?.continue || undefined
      yield {
        // An empty list of metadata has `items: null`.
        items: (answer.items ?? []).map((item) => named<T>(item, kind, options.metadataOnly)),
        resourceVersion: answer.metadata?.resourceVersion ?? '',
      }
    } while (next)
  }

  async create<T extends KubeObject = KubeObject>(object: KubeObject, options: WriteOptions): Promise<T> {
    const collection = { ...refOf(object), name: undefined }
    return this.#write(
      object,
      collection,
      { method: 'POST', body: object, contentType: 'application/json', verb: 'create' },
      options,
    )
  }

  /** Puts an object in the place of the one that is there; its resourceVersion, where it has one, must be that of the live object. */
  async replace<T extends KubeObject = KubeObject>(object: KubeObject, options: WriteOptions): Promise<T> {
    const call = { method: 'PUT', body: object, contentType: 'application/json', verb: 'update' } as const
    return this.#write(object, refOf(object), call, options)
  }

  /** Strategic merge patch: of built-in kinds only. */
  async strategicPatch<T extends KubeObject = KubeObject>(ref: ObjectRef, patch: object, options: WriteOptions): Promise<T> {
    const contentType = 'application/strategic-merge-patch+json'
    return this.#write(ref, ref, { method: 'PATCH', body: patch, contentType, verb: 'patch' }, options)
  }

  /** JSON merge patch (RFC 7396) of the object or of its status. */
  async mergePatch<T extends KubeObject = KubeObject>(ref: ObjectRef, patch: object, options: WriteOptions): Promise<T> {
    const contentType = 'application/merge-patch+json'
    return this.#write(ref, ref, { method: 'PATCH', body: patch, contentType, verb: 'patch' }, options)
  }

  /** JSON patch (RFC 6902). */
  async jsonPatch<T extends KubeObject = KubeObject>(ref: ObjectRef, patch: readonly object[], options: WriteOptions): Promise<T> {
    const contentType = 'application/json-patch+json'
    return this.#write(ref, ref, { method: 'PATCH', body: patch, contentType, verb: 'patch' }, options)
  }

  /** Server-side apply; `force` takes fields over from other managers. */
  async apply<T extends KubeObject = KubeObject>(object: KubeObject, options: WriteOptions & { force?: boolean }): Promise<T> {
    const contentType = 'application/apply-patch+yaml' // JSON is YAML
    const call = { method: 'PATCH', body: object, contentType, verb: 'apply', force: options.force } as const
    return this.#write(object, refOf(object), call, options)
  }

  /** Accepted deletes resolve, an object that is already gone too. */
  async delete(ref: ObjectRef, options: DeleteOptions = {}): Promise<void> {
    const { uid, resourceVersion, propagation } = options
    const body = {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      ...(propagation && { propagationPolicy: propagation }),
      ...((uid || resourceVersion) && { preconditions: { uid, resourceVersion } }),
    }
    try {
      await this.transport.request({
        method: 'DELETE',
        path: await this.#path(ref, ref, options),
        contentType: 'application/json',
        body: printJson(body),
        verb: 'delete',
        signal: options.signal,
      })
    } catch (error) {
      if (!(error instanceof ApiError) || error.reason !== 'NotFound') throw error
    }
  }

  /**
   * One watch request from a resourceVersion on, until the server or the signal ends it.
   * @throws ApiError with status 410 when that version is too old, before or in the middle.
   */
  async *watch<T extends KubeObject = KubeObject>(
    kind: KindRef,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>, void, undefined> {
    const path = await this.#path(kind, options, options)
    const query = {
      ...selectorsOf(options),
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: options.resourceVersion,
      timeoutSeconds: options.timeoutSeconds?.toString(),
      ...(options.sendInitialEvents && { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' }),
    }
    const events = this.transport.stream({
      method: 'GET',
      path: withQuery(path, query),
      verb: 'watch',
      signal: options.signal,
      ...(options.metadataOnly && { accept: metadataAccept('PartialObjectMetadata') }),
      ...(options.idleTimeoutMs && { idleTimeoutMs: options.idleTimeoutMs }),
    })
    for await (const line of events) {
      if (line === '') continue
      const event = parseEvent(line)
      yield { type: event.type, object: named<T>(event.object, kind, options.metadataOnly) }
    }
  }

  /**
   * The same client with another identity's rights.
   * @throws ApiError when a name cannot be sent in a header.
   */
  as(identity: Identity): Client {
    const { user, groups = [] } = identity
    for (const name of [user, ...groups]) {
      if (/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(name)) continue
      throw new ApiError(`${JSON.stringify(name)} is not a user or group to act as`, { status: 400, reason: 'BadRequest' })
    }
    const headers = { 'impersonate-user': user, ...(groups.length > 0 && { 'impersonate-group': [...groups] }) }
    // Discovery is the same for everybody.
    return new Client(this.transport.withHeaders(headers), this.discovery)
  }

  /** Ends all requests and watches of this client and of those made from it by `as`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.transport.close()
  }

  async #path(kind: KindRef, target: Omit<PathTarget, 'subresource'>, options: CallOptions, subresource?: string): Promise<string> {
    const { namespace, name } = target
    return pathOf(await this.discovery.mapping(kind, options.signal), { namespace, name, subresource })
  }

  async #write<T extends KubeObject>(kind: KindRef, target: PathTarget, call: Write, options: WriteOptions): Promise<T> {
    const path = await this.#path(kind, target, options, options.subresource)
    const query = {
      fieldManager: options.fieldManager,
      force: call.force ? 'true' : undefined,
      dryRun: options.dryRun ? 'All' : undefined,
      fieldValidation: options.fieldValidation,
    }
    try {
      const answer = await this.transport.request({
        method: call.method,
        path: withQuery(path, query),
        contentType: call.contentType,
        body: printJson(call.body),
        verb: call.verb,
        signal: options.signal,
        ...(options.metadataOnly && { accept: metadataAccept('PartialObjectMetadata') }),
      })
      return options.metadataOnly ? named<T>(answer, kind, true) : (answer as T)
    } catch (error) {
      throw kind.kind === 'Secret' ? maskedError(error) : error
    }
  }
}

/** Whether a list or watch must begin again: the version it named is too old, or of another history (etcd restored). */
export function isExpired(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false
  return error.status === 410 || error.causes.some((cause) => cause.reason === 'ResourceVersionTooLarge')
}

interface Write {
  readonly method: TransportRequest['method']
  readonly body: unknown
  readonly contentType: string
  readonly verb: string
  readonly force?: boolean | undefined
}

interface ListAnswer {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string }
  readonly items?: readonly unknown[] | null
}

/** Falls back to whole objects where an aggregated API server knows no other form; `named` then drops the rest. */
function metadataAccept(form: string): string {
  return `application/json;as=${form};g=meta.k8s.io;v=v1,application/json`
}

/** The object with its own apiVersion and kind, which typed lists leave out and metadata requests replace. */
function named<T extends KubeObject>(answer: unknown, { apiVersion, kind }: KindRef, metadataOnly = false): T {
  const object = answer as KubeObject
  if (metadataOnly) return { apiVersion, kind, metadata: object.metadata } as T
  return (object.kind === kind ? object : { ...object, apiVersion, kind }) as T
}

/** @throws ApiError for an event of type ERROR */
function parseEvent(line: string): WatchEvent {
  const event = parseJson(line) as unknown as { readonly type: WatchEvent['type'] | 'ERROR'; readonly object: KubeObject }
  if (event.type === 'ERROR') throw statusError(printJson(event.object), { status: 500, what: 'watch' })
  return event as WatchEvent
}

function selectorsOf(options: ListOptions): Record<string, string | undefined> {
  return { labelSelector: options.labelSelector, fieldSelector: options.fieldSelector }
}

function withQuery(path: string, query: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== '')
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`
}

/** The API server quotes wrong values; a Secret's must not get into logs. */
function maskedError(error: unknown): unknown {
  if (!(error instanceof ApiError)) return error
  const causes = error.causes.map((cause) => ({ ...cause, ...(cause.message && { message: masked(cause.message) }) }))
  return new ApiError(masked(error.message), {
    status: error.status,
    reason: error.reason,
    retryAfterMs: error.retryAfterMs,
    causes,
  })
}

function masked(message: string): string {
  return message
    .replace(/(valueUnstructured\{Value:).*/gs, '$1*****}')
    .replace(/(Invalid value: )("(?:[^"\\]|\\.)*"|[^\s:,]+)/g, '$1"*****"')
}
