/** Trouble between Sluice and the API server, at a point that a test chooses. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type FaultProxy, type SeenRequest, startFaultProxy } from '../tools/fault-proxy.ts'
import { temporaryDirectory } from '../tools/processes.ts'

/** A proxy in front of an API server, with a kubeconfig that leads to it. */
export interface Line extends AsyncDisposable {
  readonly proxy: FaultProxy
  readonly kubeconfig: string
}

export async function openLine(kubeconfig: string): Promise<Line> {
  const proxy = await startFaultProxy(kubeconfig)
  const path = join(await temporaryDirectory('line'), 'kubeconfig')
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'line',
    clusters: [{ name: 'line', cluster: { server: proxy.url } }],
    users: [{ name: 'line', user: {} }],
    contexts: [{ name: 'line', context: { cluster: 'line', user: 'line' } }],
  }
  await writeFile(path, JSON.stringify(config))
  return { proxy, kubeconfig: path, [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose]() }
}

export type Fits = (request: SeenRequest) => boolean

/** A server-side apply that writes, of an object of this resource. */
export const isApply =
  (resource: string): Fits =>
  ({ method, url, headers }) =>
    method === 'PATCH' &&
    headers['content-type']?.startsWith('application/apply-patch') === true &&
    !url.searchParams.has('dryRun') &&
    url.pathname.includes(`/${resource}/`)

export const isDelete =
  (resource: string): Fits =>
  ({ method, url }) =>
    method === 'DELETE' && url.pathname.includes(`/${resource}/`)

/** A write of the status of an object of this resource. */
export const isStatusPatch =
  (resource: string): Fits =>
  ({ method, url }) =>
    method === 'PATCH' && url.pathname.includes(`/${resource}/`) && url.pathname.endsWith('/status')

/** Whether the request changes anything in the cluster. */
export const isWrite: Fits = ({ method, url }) => method !== 'GET' && !url.searchParams.has('dryRun')

export interface Gate {
  /** Resolves when those that were let through have been answered and another one is held: the client is in the middle for certain. */
  readonly reached: Promise<void>
  /** Lets go what is held, and all that comes. */
  open(): void
}

/** Lets some of the requests that fit through, and holds all after them. */
export function gateAfter(passes: number, proxy: FaultProxy, fits: Fits): Gate {
  const answered: Promise<void>[] = []
  const held = Promise.withResolvers<void>()
  const opened = Promise.withResolvers<void>()
  proxy.fault = (request, response) => {
    if (!fits(request)) return false
    if (answered.length >= passes) {
      held.resolve()
      return opened.promise
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    response.once('finish', resolve)
    answered.push(promise)
    return false
  }
  return {
    reached: held.promise.then(() => Promise.all(answered)).then(() => {}),
    open() {
      proxy.fault = undefined
      opened.resolve()
    },
  }
}

/** As `gateAfter`, for good; resolves when the gate is reached. */
export function holdAfter(passes: number, proxy: FaultProxy, fits: Fits): Promise<void> {
  return gateAfter(passes, proxy, fits).reached
}

/** Breaks every connection off and lets none come back, until `mend`. */
export function sever(proxy: FaultProxy): void {
  proxy.fault = (_, response) => {
    response.destroy()
    return true
  }
  proxy.cut()
}

/** Everything goes through again; what was held is broken off. */
export function mend(proxy: FaultProxy): void {
  proxy.fault = undefined
  proxy.cut()
}

/** Resolves with the next request that fits; it goes its way. */
export function nextRequest(proxy: FaultProxy, fits: Fits): Promise<SeenRequest> {
  const { promise, resolve } = Promise.withResolvers<SeenRequest>()
  const before = proxy.fault
  proxy.fault = (request, response) => {
    if (fits(request)) resolve(request)
    return before?.(request, response)
  }
  return promise
}
