import { Transform } from 'node:stream'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest'
import { isNewer, type KubeObject } from '../../src/api/object.ts'
import { Client } from '../../src/kube/client.ts'
import { connect } from '../../src/kube/connect.ts'
import { Discovery } from '../../src/kube/discovery.ts'
import { type Informer, Informers, type InformersOptions, type StoreEvent, withoutManagedFields } from '../../src/kube/informer.ts'
import { Transport } from '../../src/kube/transport.ts'
import { startControlPlane } from '../tools/control-plane.ts'
import { answerStatus, type FaultProxy, startFaultProxy } from '../tools/fault-proxy.ts'

const kubeconfig = inject('kubeconfig')
const namespace = 'kube-informer'
const fieldManager = 'test'
const kind = { apiVersion: 'v1', kind: 'ConfigMap' }
/** Short waits after failures; the API server still decides when bookmarks come. */
const timing = { backoffMs: 20, maxBackoffMs: 200 }
let client: Client
let proxy: FaultProxy
let proxied: Client

beforeAll(async () => {
  client = await connect({ kubeconfig })
  proxy = await startFaultProxy(kubeconfig)
  const transport = new Transport(proxy.config)
  proxied = new Client(transport, new Discovery(transport))
  await client.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }, { fieldManager })
})
afterEach(() => {
  proxy.fault = undefined
  proxy.watchFilter = undefined
  proxy.seen.length = 0
})
afterAll(async () => {
  await client[Symbol.asyncDispose]()
  await proxied[Symbol.asyncDispose]()
  await proxy[Symbol.asyncDispose]()
})

function informersOf(of: Client, options: Partial<InformersOptions> = {}): Informers {
  const informers = new Informers({ client: of, timing, ...options })
  onTestFinished(() => informers.close())
  return informers
}

/** Each test watches only what carries its own label. */
async function put(set: string, name: string, value = '1', labels: Record<string, string> = {}): Promise<KubeObject> {
  const object = { ...kind, metadata: { name, namespace, labels: { set, ...labels } }, data: { value } }
  return client.apply(object, { fieldManager, force: true })
}

const remove = (name: string) => client.delete({ ...kind, namespace, name })
const selecting = (set: string) => ({ namespace, labelSelector: `set=${set}` })
const cachedValue = (informer: Informer, name: string) =>
  (informer.store.get({ namespace, name })?.data as { value: string } | undefined)?.value

function record(informer: Informer): { events: StoreEvent[]; told: () => string[] } {
  const events: StoreEvent[] = []
  informer.subscribe((event) => events.push(event))
  return {
    events,
    told: () => events.map(({ type, object, initial }) => `${initial ? 'initial ' : ''}${type} ${object.metadata.name}`),
  }
}

describe('the store', () => {
  it('has what existed, follows what changes, and tells listeners both', async () => {
    await put('basic', 'basic-a')
    const informer = informersOf(client).get(kind, selecting('basic'))
    const early = record(informer)
    const byValue = informer.store.index('value', (object) => [(object.data as { value: string }).value])
    await informer.synced(AbortSignal.timeout(10_000))
    expect(early.told()).toEqual(['initial added basic-a'])
    expect(informer.isSynced).toBe(true)

    await put('basic', 'basic-b', '2')
    await put('basic', 'basic-a', '2')
    await expect.poll(() => byValue('2').length).toBe(2)
    expect(byValue('1')).toEqual([])
    await remove('basic-b')
    await expect.poll(() => early.told()).toEqual(['initial added basic-a', 'added basic-b', 'updated basic-a', 'deleted basic-b'])
    expect(early.events[2]?.old?.data).toEqual({ value: '1' })
    expect(byValue('2').map(({ metadata }) => metadata.name)).toEqual(['basic-a'])

    expect(record(informer).told()).toEqual(['initial added basic-a'])
  })

  it('says how many objects of each kind are kept, whatever the selections are', async () => {
    await put('counted', 'counted-a')
    await put('counted-too', 'counted-b')
    const informers = informersOf(client)
    for (const set of ['counted', 'counted-too']) await informers.get(kind, selecting(set)).synced()
    expect(informers.counts()).toEqual(new Map([[kind.kind, 2]]))
  })

  it('tells an object that leaves the selection as deleted', async () => {
    await put('leaving', 'leaving')
    const informer = informersOf(client).get(kind, selecting('leaving'))
    const { told } = record(informer)
    await informer.synced()
    await put('elsewhere', 'leaving')
    await expect.poll(told).toEqual(['initial added leaving', 'deleted leaving'])
  })

  it('is shared by all who ask for the same, frozen, and holds only what is asked for', async () => {
    await put('shared', 'shared')
    const informers = informersOf(client)
    const informer = informers.get(kind, selecting('shared'))
    expect(informers.get(kind, selecting('shared'))).toBe(informer)
    const slim = informers.get(kind, { ...selecting('shared'), transform: withoutManagedFields })
    const metadata = informers.get(kind, { ...selecting('shared'), metadataOnly: true })
    expect(new Set([informer, slim, metadata]).size).toBe(3)
    await Promise.all([informer, slim, metadata].map((each) => each.synced()))

    const key = { namespace, name: 'shared' }
    expect(informer.store.get(key)?.metadata.managedFields).toHaveLength(1)
    expect(slim.store.get(key)?.metadata).not.toHaveProperty('managedFields')
    expect(slim.store.get(key)).toMatchObject({ ...kind, data: { value: '1' } })
    expect(metadata.store.get(key)).toEqual({ ...kind, metadata: informer.store.get(key)?.metadata })
    expect(() => Object.assign(informer.store.get(key) as object, { data: {} })).toThrow(TypeError)
    expect(informers.states().map(({ synced, error }) => [synced, error])).toEqual(Array(3).fill([true, undefined]))
  })

  it('is waited for until every selection has what was written', async () => {
    await put('waited', 'waited-a')
    const informers = informersOf(client)
    const selections = [selecting('waited'), { namespace, labelSelector: 'set in (waited)' }]
    const all = selections.map((options) => informers.get(kind, options))
    await Promise.all(all.map((informer) => informer.synced(AbortSignal.timeout(10_000))))
    const written = await put('waited', 'waited-a', '2')
    await informers.caughtUp(written)
    expect(all.map((informer) => cachedValue(informer, 'waited-a'))).toEqual(['2', '2'])
    await informers.caughtUp({ ...written, metadata: { ...written.metadata, uid: 'another' } })
  })

  it('goes on when a listener throws, and when one stops listening', async () => {
    await put('throwing', 'throwing')
    const errors: unknown[] = []
    const informer = informersOf(client, { onError: (error) => errors.push(error) }).get(kind, selecting('throwing'))
    informer.subscribe(() => {
      throw new Error('a bug of a listener')
    })
    const stopped: StoreEvent[] = []
    const stop = informer.subscribe((event) => stopped.push(event))
    const { told } = record(informer)
    await informer.synced()
    stop()
    await put('throwing', 'throwing', '2')
    await expect.poll(told).toEqual(['initial added throwing', 'updated throwing'])
    expect(stopped).toHaveLength(1)
    expect(errors).toHaveLength(2)
  })
})

describe('faults', () => {
  it('F-API-01 resumes where it was when watches end, and lists again only when that is too old', async () => {
    await put('resume', 'resume-a')
    await put('resume', 'resume-b')
    const errors: unknown[] = []
    const informer = informersOf(proxied, { onError: (error) => errors.push(error) }).get(kind, selecting('resume'))
    const { told } = record(informer)
    await informer.synced()
    proxy.cut()
    await put('resume', 'resume-a', '2')
    await expect.poll(told).toEqual(['initial added resume-a', 'initial added resume-b', 'updated resume-a'])
    const watches = () => proxy.seen.filter(({ isWatch }) => isWatch).map(({ url }) => url.searchParams)
    expect(watches().map((query) => query.has('sendInitialEvents'))).toEqual([true, false])
    expect(watches().every((query) => query.get('allowWatchBookmarks') === 'true')).toBe(true)

    // While nobody watches, one goes, one comes, one changes and one stays as it was.
    await put('resume', 'resume-c')
    await expect.poll(() => informer.store.size).toBe(3)
    let refused = 0
    proxy.fault = ({ isWatch }, response) => {
      if (!isWatch || refused >= 2) return undefined
      refused++
      return answerStatus(
        response,
        refused === 1 ? { code: 503, message: 'away' } : { code: 410, reason: 'Expired', message: 'too old resource version' },
      )
    }
    proxy.cut()
    await Promise.all([remove('resume-a'), put('resume', 'resume-d'), put('resume', 'resume-b', '2')])
    await expect.poll(() => told().slice(4).sort()).toEqual(['added resume-d', 'deleted resume-a', 'updated resume-b'])
    expect(watches().at(-1)?.has('sendInitialEvents')).toBe(true)
    expect(informer.lastError).toBeUndefined()
    expect(errors.length).toBeGreaterThanOrEqual(2)
  })

  it('F-API-01 lists again when the watch says in its middle that it is too old', async () => {
    await put('gone', 'gone-a')
    const error = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version: 1 (2)' }
    const line = `${JSON.stringify({ type: 'ERROR', object: error })}\n`
    const { promise: told, resolve: tell } = Promise.withResolvers<Transform>()
    proxy.watchFilter = () => {
      const filter = new Transform({ transform: (chunk, _, done) => done(null, chunk) })
      tell(filter)
      return filter
    }
    const informer = informersOf(proxied).get(kind, selecting('gone'))
    const { told: events } = record(informer)
    await informer.synced()
    ;(await told).push(line)
    await expect.poll(() => proxy.seen.filter(({ isWatch }) => isWatch).length).toBe(2)
    await put('gone', 'gone-b')
    await expect.poll(events).toEqual(['initial added gone-a', 'added gone-b'])
  })

  it('F-API-01 misses nothing while watches break, expire, repeat and shuffle what they tell', async () => {
    const informer = informersOf(proxied).get(kind, selecting('chaos'))
    await informer.synced()
    const seen = new Map<string, string>()
    const newest = new Map<string, string>()
    const setBack: string[] = []
    informer.subscribe(({ type, object }) => {
      const { name, resourceVersion = '' } = object.metadata
      if (isNewer(newest.get(name), resourceVersion)) setBack.push(`${type} ${name} ${resourceVersion} after ${newest.get(name)}`)
      newest.set(name, resourceVersion)
      if (type === 'deleted') seen.delete(object.metadata.name)
      else seen.set(object.metadata.name, object.metadata.resourceVersion ?? '')
    })
    let watches = 0
    proxy.fault = ({ isWatch }, response) => {
      if (!isWatch || ++watches % 4 !== 0) return undefined
      return answerStatus(response, { code: 410, reason: 'Expired', message: 'too old resource version' })
    }
    proxy.watchFilter = ({ url }) => shuffled(20, { listed: !url.searchParams.has('sendInitialEvents') })
    proxy.cut()
    for (let round = 0; round < 12; round++) {
      const names = Array.from({ length: 10 }, (_, at) => `chaos-${at}`)
      await Promise.all(names.map((name, at) => ((round + at) % 5 === 0 ? remove(name) : put('chaos', name, `${round}`))))
    }
    const { items } = await client.list(kind, selecting('chaos'))
    const expected = new Map(items.map(({ metadata }) => [metadata.name, metadata.resourceVersion]))
    await expect.poll(() => seen, { timeout: 20_000 }).toEqual(expected)
    expect(new Map([...informer.store.all()].map(({ metadata }) => [metadata.name, metadata.resourceVersion]))).toEqual(expected)
    expect(setBack).toEqual([])
    // Each broken watch costs a handful of requests at most: no flood.
    expect(watches).toBeLessThan(150)
  })

  it('F-API-01 opens a watch again that has gone silent without being closed', async () => {
    await put('silent', 'silent')
    let watches = 0
    // The first two let the list through, then nothing more: a half-open connection.
    proxy.watchFilter = () =>
      watches++ < 2 ? deafAfter('initial-events-end') : new Transform({ transform: (chunk, _, done) => done(null, chunk) })
    const informers = informersOf(proxied, { timing: { ...timing, silenceMs: 1_000 } })
    const informer = informers.get(kind, selecting('silent'))
    await informer.synced()
    await put('silent', 'silent', '2')
    await expect.poll(() => cachedValue(informer, 'silent'), { timeout: 15_000 }).toBe('2')
    expect(watches).toBeGreaterThan(1)
  })

  it('uses pages where the API server has no streaming list', async () => {
    await put('paged', 'paged')
    proxy.fault = ({ url }, response) =>
      url.searchParams.has('sendInitialEvents')
        ? answerStatus(response, { code: 422, reason: 'Invalid', message: 'sendInitialEvents is forbidden for watch' })
        : undefined
    const informer = informersOf(proxied).get(kind, selecting('paged'))
    await informer.synced(AbortSignal.timeout(10_000))
    await put('paged', 'paged', '2')
    await expect.poll(() => cachedValue(informer, 'paged')).toBe('2')
  })

  it('F-API-05 opens watches with the token of now', async () => {
    let token = 'old'
    const config = { ...proxy.config, credentials: async () => ({ authorization: `Bearer ${token}`, tls: {} }) }
    await using transport = new Transport(config)
    const informer = informersOf(new Client(transport, new Discovery(transport))).get(kind, selecting('token'))
    await informer.synced()
    token = 'new'
    proxy.cut()
    await put('token', 'token')
    await expect.poll(() => informer.store.size).toBe(1)
    expect(proxy.seen.filter(({ isWatch }) => isWatch).map(({ headers }) => headers.authorization)).toEqual([
      'Bearer old',
      'Bearer new',
    ])
  })

  it('F-API-06 waits for a kind whose CRD is missing, says so, and starts as soon as it comes', async () => {
    const gadget = { apiVersion: 'informer.test/v1', kind: 'Gadget' }
    const errors: string[] = []
    // Waits so long that only the event of the CRD can be what starts it.
    const informers = informersOf(client, {
      timing: { backoffMs: 60_000, maxBackoffMs: 60_000 },
      onError: (error, { kind }) => errors.push(`${kind.kind}: ${(error as Error).message}`),
    })
    const informer = informers.get(gadget)
    await expect.poll(() => informer.isWaiting).toBe(true)
    expect(errors).toEqual(['Gadget: no matches for kind "Gadget" in version "informer.test/v1"'])
    expect(informers.states()).toMatchObject([{ kind: gadget, synced: false, error: { reason: 'NoKindMatch' } }])
    await expect(informer.synced(AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')

    await client.apply(crd('informer.test', 'Gadget', 'gadgets'), { fieldManager })
    await informer.synced(AbortSignal.timeout(15_000))
    const object = { ...gadget, metadata: { name: 'first', namespace }, spec: {} }
    await client.discovery.mapping(gadget)
    await client.apply(object, { fieldManager })
    await expect.poll(() => informer.store.size).toBe(1)
    expect(informers.states()).toMatchObject([{ synced: true, error: undefined }])
  })

  it('F-API-02 goes on by itself after the API server was killed and came back', async () => {
    await using controlPlane = await startControlPlane()
    await using own = await connect({ kubeconfig: controlPlane.kubeconfig })
    const errors: unknown[] = []
    await using informers = new Informers({ client: own, timing, onError: (error) => errors.push(error) })
    const secrets = informers.get({ apiVersion: 'v1', kind: 'Secret' }, { namespace: 'default' })
    const maps = informers.get(kind, { namespace: 'default' })
    await Promise.all([secrets.synced(), maps.synced()])
    const write = (name: string, value: string) =>
      own.apply({ ...kind, metadata: { name, namespace: 'default' }, data: { value } }, { fieldManager, force: true })
    await write('before', '1')
    await expect.poll(() => maps.store.get({ namespace: 'default', name: 'before' })).toBeDefined()

    await controlPlane.killApiServer()
    await expect.poll(() => informers.states().every(({ error }) => error !== undefined)).toBe(true)
    expect(maps.store.get({ namespace: 'default', name: 'before' })).toBeDefined()
    await controlPlane.startApiServer()
    const { told } = record(maps)
    const known = told().length
    await write('after', '1')
    await write('before', '2')
    await expect.poll(() => told().slice(known), { timeout: 20_000 }).toEqual(['added after', 'updated before'])
    await expect.poll(() => informers.states().every(({ error }) => error === undefined), { timeout: 20_000 }).toBe(true)
  })
})

/** After the list: lines that come close together the other way round, and each twice; after so many the connection breaks. */
function shuffled(breakAfter: number, { listed }: { listed: boolean }): Transform {
  let rest = ''
  let lines = 0
  let isListed = listed
  let held: string[] = []
  const filter: Transform = new Transform({
    transform(chunk, _, done) {
      const whole = (rest + chunk).split('\n')
      rest = whole.pop() ?? ''
      if (!isListed) filter.push(whole.map((line) => `${line}\n`).join(''))
      else if (held.push(...whole) === whole.length) setTimeout(release, 10)
      isListed ||= whole.some((line) => line.includes('initial-events-end'))
      lines += whole.length
      done(lines >= breakAfter && held.length === 0 ? new Error('broken by the test') : null)
    },
  })
  const release = () => {
    for (const line of held.toReversed()) filter.push(`${line}\n${line}\n`)
    held = []
    if (lines >= breakAfter) filter.destroy(new Error('broken by the test'))
  }
  return filter
}

/** Passes everything up to the line that holds the text, then nothing more, without an end. */
function deafAfter(text: string): Transform {
  let deaf = false
  return new Transform({
    transform(chunk, _, done) {
      if (!deaf) this.push(chunk)
      deaf ||= String(chunk).includes(text)
      done()
    },
  })
}

function crd(group: string, name: string, plural: string): KubeObject {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind: name, plural },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        },
      ],
    },
  }
}
