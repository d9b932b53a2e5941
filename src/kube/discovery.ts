/** Which path and scope a kind has: the REST mapping of one API server. */
import { gvkOf } from '../api/object.ts'
import { pause, unlessAborted } from '../lib/abort.ts'
import type { KindRef } from './client.ts'
import { ApiError, type Transport } from './transport.ts'

/** How a kind is reached. */
export interface ResourceMapping {
  readonly group: string
  readonly version: string
  readonly kind: string
  /** Plural, as in the path. */
  readonly resource: string
  readonly namespaced: boolean
  readonly verbs: readonly string[]
}

/** The kinds of one group and version, as last asked. */
interface Known {
  readonly kinds: ReadonlyMap<string, ResourceMapping>
  readonly askedAt: number
}

const askAgainMs = 1_000
const maxKnown = 1_000
const followMs = 250
const followStepMs = 10

export class Discovery {
  readonly #transport: Transport
  readonly #known = new Map<string, Known>()
  readonly #asking = new Map<string, Promise<Known>>()
  /** Groups (`*`: all) whose kinds have just changed, with the time until which the API server may not know it yet itself. */
  readonly #changing = new Map<string, number>()

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /**
   * The mapping of a kind; asks the API server again when it is unknown (at most once a second a group and version).
   * @throws ApiError with reason `NoKindMatch` when the server has no such kind.
   */
  async mapping(kind: KindRef, signal?: AbortSignal): Promise<ResourceMapping> {
    const { apiVersion } = kind
    const known = this.#known.get(apiVersion)
    const mapping = known?.kinds.get(kind.kind)
    if (mapping) return mapping
    const now = performance.now()
    if (known && now - known.askedAt < askAgainMs && now > this.#followedAt(groupOf(apiVersion))) throw noKindMatch(kind)
    return this.#ask(kind, signal)
  }

  /** Drops what is remembered of a group, or of all: called when a CRD changes. */
  forget(group?: string): void {
    this.#changing.set(group ?? '*', performance.now() + followMs)
    // An answer that is still under way is older than the change: nobody new may join it, and it is not remembered.
    for (const answers of [this.#known, this.#asking]) {
      for (const apiVersion of answers.keys()) {
        if (group === undefined || groupOf(apiVersion) === group) answers.delete(apiVersion)
      }
    }
  }

  async #ask(kind: KindRef, signal: AbortSignal | undefined): Promise<ResourceMapping> {
    for (;;) {
      const { kinds } = await unlessAborted(this.#shared(kind.apiVersion), signal)
      const mapping = kinds.get(kind.kind)
      if (mapping) return mapping
      // A CRD is established some milliseconds before discovery shows it.
      if (performance.now() > this.#followedAt(groupOf(kind.apiVersion))) throw noKindMatch(kind)
      await pause(followStepMs, signal)
    }
  }

  #followedAt(group: string): number {
    return Math.max(this.#changing.get(group) ?? 0, this.#changing.get('*') ?? 0)
  }

  /** One request for all who ask at the same time; no single asker's signal ends it. */
  #shared(apiVersion: string): Promise<Known> {
    const asking = this.#asking.get(apiVersion)
    if (asking !== undefined) return asking
    const isCurrent = () => this.#asking.get(apiVersion) === asked
    const asked: Promise<Known> = this.#fetch(apiVersion)
      .then((known) => {
        if (isCurrent()) this.#remember(apiVersion, known)
        return known
      })
      .finally(() => {
        if (isCurrent()) this.#asking.delete(apiVersion)
      })
    this.#asking.set(apiVersion, asked)
    return asked
  }

  /** Versions that do not exist are remembered too, and manifests may name any number of them. */
  #remember(apiVersion: string, known: Known): void {
    if (this.#known.size >= maxKnown) this.#known.clear()
    this.#known.set(apiVersion, known)
  }

  async #fetch(apiVersion: string): Promise<Known> {
    const askedAt = performance.now()
    try {
      const answer = await this.#transport.request({ method: 'GET', path: groupPath(apiVersion), verb: 'discovery' })
      return { kinds: kindsOf(apiVersion, answer as ResourceList), askedAt }
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return { kinds: new Map(), askedAt }
      throw error
    }
  }
}

/** Source: metav1.APIResourceList. */
interface ResourceList {
  readonly resources?: readonly { name: string; kind: string; namespaced: boolean; verbs?: readonly string[] }[]
}

function kindsOf(apiVersion: string, list: ResourceList): ReadonlyMap<string, ResourceMapping> {
  const { group, version } = gvkOf({ apiVersion, kind: '' })
  const kinds = new Map<string, ResourceMapping>()
  for (const { name, kind, namespaced, verbs } of list.resources ?? []) {
    // `deployments/scale` and its like are subresources.
    if (name.includes('/') || kinds.has(kind)) continue
    kinds.set(kind, { group, version, kind, resource: name, namespaced, verbs: verbs ?? [] })
  }
  return kinds
}

/** Which object or collection of a kind a path leads to. */
export interface PathTarget {
  /** Ignored for cluster-scoped kinds; a collection without one means all namespaces. */
  readonly namespace?: string | undefined
  /** Absent: the collection. */
  readonly name?: string | undefined
  readonly subresource?: string | undefined
}

/**
 * Path of an object or a collection.
 * @throws ApiError for a name or namespace that cannot be part of a path. An empty name must never turn one object into all of them.
 */
export function pathOf(mapping: ResourceMapping, target: PathTarget): string {
  const { group, version, resource, kind } = mapping
  const parts = [groupPath(group ? `${group}/${version}` : version)]
  if (mapping.namespaced && target.namespace !== undefined) parts.push('namespaces', segment(target.namespace, kind, 'namespace'))
  if (mapping.namespaced && target.namespace === undefined && target.name !== undefined) {
    throw badRequest(`${kind} "${target.name}" needs a namespace`)
  }
  parts.push(resource)
  if (target.name !== undefined) parts.push(segment(target.name, kind, 'name'))
  if (target.subresource !== undefined) parts.push(target.subresource)
  return parts.join('/')
}

/** Source: apimachinery rest.IsValidPathSegmentName. */
function segment(text: string, kind: string, what: 'name' | 'namespace'): string {
  if (text === '' || text === '.' || text === '..' || /[/%]/.test(text)) {
    throw badRequest(
      `${kind}: ${JSON.stringify(text)} is not a valid ${what}: it must not be empty, "." or "..", nor contain "/" or "%"`,
    )
  }
  return encodeURIComponent(text)
}

function groupPath(apiVersion: string): string {
  const parts = apiVersion.split('/')
  if (parts.length > 2 || parts.some((part) => !/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/i.test(part))) {
    throw badRequest(`${JSON.stringify(apiVersion)} is not a valid apiVersion such as v1 or apps/v1`)
  }
  return parts.length === 1 ? `/api/${apiVersion}` : `/apis/${apiVersion}`
}

function groupOf(apiVersion: string): string {
  return gvkOf({ apiVersion, kind: '' }).group
}

function badRequest(message: string): ApiError {
  return new ApiError(message, { status: 400, reason: 'BadRequest' })
}

/** Source: apimachinery meta.NoKindMatchError. */
function noKindMatch({ apiVersion, kind }: KindRef): ApiError {
  return new ApiError(`no matches for kind "${kind}" in version "${apiVersion}"`, { status: 404, reason: 'NoKindMatch' })
}
