/** A thin client of the API server for the benchmark: kubectl would take a good part of the two cores that are measured. */
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { Pool } from 'undici'
import type { Live, LiveEvent } from '../tools/watch.ts'

export interface Api extends AsyncDisposable {
  create(path: string, object: object): Promise<void>
  /** JSON merge patch. */
  patch(path: string, patch: object): Promise<void>
  list(path: string): Promise<{ items: Live[]; resourceVersion: string }>
  watch(path: string, resourceVersion: string, signal: AbortSignal): AsyncIterable<LiveEvent>
}

export async function openApi({ server, token, caFile }: { server: string; token: string; caFile: string }): Promise<Api> {
  const pool = new Pool(server, { connections: 24, bodyTimeout: 0, connect: { ca: await readFile(caFile, 'utf8') } })
  const headers = { authorization: `Bearer ${token}` }

  const send = async (method: 'GET' | 'POST' | 'PATCH', path: string, contentType?: string, body?: object): Promise<unknown> => {
    const response = await pool.request({
      method,
      path,
      headers: contentType === undefined ? headers : { ...headers, 'content-type': contentType },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await response.body.text()
    // Storage of a CRD that is new may still be on its way.
    if (response.statusCode === 429) {
      await pause(Number(response.headers['retry-after'] ?? 1) * 1000)
      return send(method, path, contentType, body)
    }
    if (response.statusCode >= 300) throw new Error(`${method} ${path}: ${response.statusCode} ${text.slice(0, 500)}`)
    return JSON.parse(text)
  }

  return {
    create: async (path, object) => void (await send('POST', path, 'application/json', object)),
    patch: async (path, patch) => void (await send('PATCH', path, 'application/merge-patch+json', patch)),
    async list(path) {
      const list = (await send('GET', path)) as { items: Live[]; metadata: { resourceVersion: string } }
      return { items: list.items, resourceVersion: list.metadata.resourceVersion }
    },
    async *watch(path, resourceVersion, signal) {
      const query = `watch=true&resourceVersion=${resourceVersion}&timeoutSeconds=3600`
      const response = await pool.request({ method: 'GET', path: `${path}?${query}`, headers, signal })
      for await (const line of createInterface({ input: response.body })) yield JSON.parse(line) as LiveEvent
    },
    [Symbol.asyncDispose]: () => pool.destroy(),
  }
}

/** The annotation that asks for a run at once, as a patch. */
export function requestedAt(token: string): object {
  return { metadata: { annotations: { 'reconcile.fluxcd.io/requestedAt': token } } }
}

/** The objects of one list, kept up to date by a watch. */
export class Tracker {
  readonly #objects = new Map<string, Live>()
  readonly #listeners = new Set<(object: Live) => void>()

  /** Begins to follow; ends with the signal. */
  static async follow(api: Api, path: string, signal: AbortSignal): Promise<Tracker> {
    const tracker = new Tracker()
    const resourceVersion = await tracker.#list(api, path)
    tracker.#watch(api, path, resourceVersion, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error
    })
    return tracker
  }

  /** Resolves when the claim has held for each of the named objects. */
  untilAll(names: readonly string[], claim: (object: Live) => boolean, timeoutMs = 900_000): Promise<void> {
    const holds = (name: string) => {
      const object = this.#objects.get(name)
      return object !== undefined && claim(object)
    }
    const pending = new Set(names.filter((name) => !holds(name)))
    if (pending.size === 0) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const listen = (object: Live) => {
        if (claim(object)) pending.delete(object.metadata.name)
        if (pending.size === 0) done(resolve)
      }
      const late = () => {
        const [first = ''] = pending
        const state = JSON.stringify(this.#objects.get(first)?.status)
        done(() =>
          reject(
            new Error(`${pending.size} of ${names.length} objects are late after ${timeoutMs} ms, such as ${first}: ${state}`),
          ),
        )
      }
      const timer = setTimeout(late, timeoutMs)
      const done = (settle: () => void) => {
        clearTimeout(timer)
        this.#listeners.delete(listen)
        settle()
      }
      this.#listeners.add(listen)
    })
  }

  async #list(api: Api, path: string): Promise<string> {
    const { items, resourceVersion } = await api.list(path)
    for (const item of items) this.#seen(item)
    return resourceVersion
  }

  /** The API server ends the watch of a reader that is too slow for it, which on a busy machine may well be this one. */
  async #watch(api: Api, path: string, resourceVersion: string, signal: AbortSignal): Promise<void> {
    let from = resourceVersion
    while (!signal.aborted) {
      for await (const { type, object } of api.watch(path, from, signal)) {
        if (type !== 'ERROR') this.#seen(object)
      }
      from = await this.#list(api, path)
    }
  }

  #seen(object: Live): void {
    this.#objects.set(object.metadata.name, object)
    for (const listener of this.#listeners) listener(object)
  }
}
