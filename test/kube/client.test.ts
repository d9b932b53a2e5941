import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { KubeObject } from '../../src/api/object.ts'
import { Client } from '../../src/kube/client.ts'
import { connect } from '../../src/kube/connect.ts'
import { Discovery } from '../../src/kube/discovery.ts'
import { ApiError, Transport } from '../../src/kube/transport.ts'
import { answerStatus, type FaultProxy, startFaultProxy } from '../tools/fault-proxy.ts'
import { kubectlOf } from '../tools/kubectl.ts'

const kubeconfig = inject('kubeconfig')
const kubectl = kubectlOf(kubeconfig)
const namespace = 'kube-client'
const fieldManager = 'test'
const configMapKind = { apiVersion: 'v1', kind: 'ConfigMap' }
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
afterAll(async () => {
  await client[Symbol.asyncDispose]()
  await proxied[Symbol.asyncDispose]()
  await proxy[Symbol.asyncDispose]()
})

function configMap(name: string, data: Record<string, unknown> = {}, labels: Record<string, string> = {}): KubeObject {
  return { ...configMapKind, metadata: { name, namespace, labels }, data }
}

function refTo(name: string) {
  return { ...configMapKind, namespace, name }
}

async function failure(promise: Promise<unknown>): Promise<ApiError> {
  const error: unknown = await promise.catch((thrown) => thrown)
  if (!(error instanceof ApiError)) throw new Error(`expected an ApiError, got ${String(error)}`)
  return error
}

describe('verbs', () => {
  it('creates, reads, patches, applies and deletes an object', async () => {
    const created = await client.create(configMap('verbs', { a: '1' }), { fieldManager })
    expect(created).toMatchObject({ ...configMapKind, data: { a: '1' } })
    expect(await client.mergePatch(refTo('verbs'), { data: { b: '2' } }, { fieldManager })).toMatchObject({
      data: { a: '1', b: '2' },
    })
    await client.jsonPatch(refTo('verbs'), [{ op: 'remove', path: '/data/a' }], { fieldManager })
    await client.apply(configMap('verbs', { c: '3' }), { fieldManager: 'applier', force: true })
    expect(await client.get(refTo('verbs'))).toMatchObject({ data: { b: '2', c: '3' } })

    await client.delete(refTo('verbs'))
    await client.delete(refTo('verbs'))
    expect(await client.find(refTo('verbs'))).toBeUndefined()
    expect(await failure(client.get(refTo('verbs')))).toMatchObject({ status: 404, reason: 'NotFound' })
  })

  it('names the conflicting manager when an apply is not forced', async () => {
    const wanted = (a: string) => ({ ...configMapKind, metadata: { name: 'conflict', namespace }, data: { a } })
    await client.apply(wanted('1'), { fieldManager: 'first' })
    const error = await failure(client.apply(wanted('2'), { fieldManager: 'second' }))
    expect(error).toMatchObject({ status: 409, reason: 'Conflict', causes: [{ field: '.data.a', reason: 'FieldManagerConflict' }] })
    expect(error.message).toContain('"first"')
  })

  it('changes nothing in a dry run', async () => {
    expect(await client.apply(configMap('dry', { a: '1' }), { fieldManager, dryRun: true })).toMatchObject({ data: { a: '1' } })
    expect(await client.find(refTo('dry'))).toBeUndefined()
  })

  it('refuses unknown fields when asked to', async () => {
    const object = { ...configMap('strict'), dta: {} }
    expect((await failure(client.create(object, { fieldManager, fieldValidation: 'Strict' }))).message).toContain(
      'unknown field "dta"',
    )
  })

  it('writes a status without touching the rest', async () => {
    const ref = { apiVersion: 'v1', kind: 'Namespace', name: namespace }
    const patch = { spec: { finalizers: [] }, status: { conditions: [{ type: 'Seen', status: 'True' }] } }
    await client.mergePatch(ref, patch, { fieldManager, subresource: 'status' })
    expect(await client.get(ref)).toMatchObject({
      spec: { finalizers: ['kubernetes'] },
      status: { conditions: [{ type: 'Seen' }] },
    })
  })

  it('deletes only the object that was meant', async () => {
    const { metadata } = await client.create(configMap('precise'), { fieldManager })
    expect(await failure(client.delete(refTo('precise'), { uid: 'another' }))).toMatchObject({ status: 409, reason: 'Conflict' })
    expect(await failure(client.delete(refTo('precise'), { resourceVersion: '1' }))).toMatchObject({ status: 409 })
    const { uid = '', resourceVersion = '' } = metadata
    await client.delete(refTo('precise'), { uid, resourceVersion, propagation: 'Background' })
    expect(await client.find(refTo('precise'))).toBeUndefined()
  })

  it('reaches cluster-scoped objects with a colon and capitals in their name, whatever namespace they carry', async () => {
    const role = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'Foo:Bar', namespace: 'ignored' },
      rules: [],
    }
    const { metadata } = await client.apply({ ...role, metadata: { name: 'Foo:Bar' } }, { fieldManager })
    expect(metadata.name).toBe('Foo:Bar')
    expect((await client.get({ ...role, ...role.metadata })).metadata.name).toBe('Foo:Bar')
    await client.delete({ ...role, name: 'Foo:Bar' })
  })

  it.each(['', '.', '..', 'a/b', '%2e%2e'])('never sends a request for the name %j', async (name) => {
    for (const call of [client.get(refTo(name)), client.delete(refTo(name)), client.list(configMapKind, { namespace: name })]) {
      expect(await failure(call)).toMatchObject({ status: 400, reason: 'BadRequest' })
    }
    expect(await failure(client.delete({ ...configMapKind, name: 'no-namespace' }))).toMatchObject({ reason: 'BadRequest' })
  })

  it('acts with the rights of another identity, and refuses names that are none', async () => {
    const tenant = client.as({ user: 'system:serviceaccount:kube-client:tenant' })
    const error = await failure(tenant.list(configMapKind, { namespace }))
    expect(error).toMatchObject({ status: 403, reason: 'Forbidden' })
    expect(error.message).toContain('User "system:serviceaccount:kube-client:tenant" cannot list resource "configmaps"')
    expect(await client.as({ user: 'x', groups: ['a', 'system:masters'] }).list(configMapKind, { namespace })).toBeDefined()
    expect(() => client.as({ user: 'a\r\nimpersonate-group: system:masters' })).toThrow(ApiError)
    await client.list(configMapKind, { namespace })
  })
})

describe('content', () => {
  it('keeps fields that no client library knows', async () => {
    const name = 'widgets.client.test'
    const crd = {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name },
      spec: {
        group: 'client.test',
        scope: 'Namespaced',
        names: { kind: 'Widget', plural: 'widgets' },
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
    await client.apply(crd, { fieldManager })
    const stored = await client.get({ ...crd, name })
    expect(JSON.stringify(stored.spec)).toContain('"x-kubernetes-preserve-unknown-fields":true')

    // The first request after the CRD is established follows at once: discovery and storage are some milliseconds late.
    await kubectl('wait', '--for=condition=Established', `crd/${name}`)
    client.discovery.forget('client.test')
    const widget = {
      apiVersion: 'client.test/v1',
      kind: 'Widget',
      metadata: { name: 'big', namespace },
      spec: { big: 9007199254740993n, __proto_: 1 },
    }
    await client.apply(widget, { fieldManager })
    expect(await client.get({ ...widget, ...widget.metadata })).toMatchObject({ spec: { big: 9007199254740993n } })
    expect(await client.list(widget)).toMatchObject({ items: [{ kind: 'Widget', spec: { big: 9007199254740993n } }] })
    await client.delete({ ...crd, name })
  })

  it('keeps values of a Secret out of the messages of the API server', async () => {
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'masked', namespace }, stringData: { pin: 271828182 } }
    const error = await failure(client.apply(secret, { fieldManager }))
    expect(error.message).toContain('.stringData.pin')
    expect(error.message).not.toContain('271828182')
    const nested = { ...secret, stringData: { pin: { deep: [{ inner: 'hunter2' }] } } }
    expect((await failure(client.apply(nested, { fieldManager }))).message).not.toContain('hunter2')
  })

  it('reads metadata only, with the kind of the object itself', async () => {
    await client.create(configMap('metadata', { big: 'x'.repeat(1000) }, { set: 'metadata' }), { fieldManager })
    const expected = { ...configMapKind, metadata: expect.objectContaining({ name: 'metadata' }) }
    expect(await client.find(refTo('metadata'), { metadataOnly: true })).toEqual(expected)
    const labelSelector = 'set=metadata'
    expect((await client.list(configMapKind, { namespace, labelSelector, metadataOnly: true })).items).toEqual([expected])
    const nothing = await client.list(configMapKind, { namespace, labelSelector: 'set=none', metadataOnly: true })
    expect(nothing.items).toEqual([])
    expect(nothing.resourceVersion).toMatch(/^\d+$/)
  })
})

describe('lists', () => {
  const many = { namespace, labelSelector: 'set=many' }
  const total = 620

  beforeAll(async () => {
    const names = Array.from({ length: total }, (_, at) => `many-${at}`)
    await Promise.all(names.map((name) => client.create(configMap(name, {}, { set: 'many' }), { fieldManager })))
  })

  it('reads all pages', async () => {
    proxy.seen.length = 0
    const { items } = await proxied.list(configMapKind, many)
    expect(new Set(items.map((item) => item.metadata.name)).size).toBe(total)
    expect(items[0]).toMatchObject(configMapKind)
    expect(proxy.seen.filter(({ url }) => url.searchParams.has('limit'))).toHaveLength(2)
  })

  it('begins again when the pages have expired meanwhile', async () => {
    let expired = 0
    proxy.fault = ({ url }, response) => {
      if (!url.searchParams.has('continue') || expired++ > 0) return undefined
      return answerStatus(response, { code: 410, reason: 'Expired', message: 'the provided continue parameter is too old' })
    }
    const { items } = await proxied.list(configMapKind, many)
    proxy.fault = undefined
    expect(items).toHaveLength(total)
  })
})

describe('discovery', () => {
  it('asks once for many who want to know at the same time', async () => {
    proxied.discovery.forget()
    proxy.seen.length = 0
    const kinds = ['Deployment', 'StatefulSet', 'DaemonSet'].map((kind) => ({ apiVersion: 'apps/v1', kind }))
    const mappings = await Promise.all(kinds.map((kind) => proxied.discovery.mapping(kind)))
    expect(mappings.map(({ resource, namespaced }) => [resource, namespaced])).toEqual([
      ['deployments', true],
      ['statefulsets', true],
      ['daemonsets', true],
    ])
    expect(proxy.seen.map(({ url }) => url.pathname)).toEqual(['/apis/apps/v1'])
  })

  it('says when a kind does not exist, and does not ask again at once', async () => {
    const unknown = { apiVersion: 'apps/v1', kind: 'Nothing' }
    await expect(proxied.discovery.mapping(unknown)).rejects.toMatchObject({
      reason: 'NoKindMatch',
      message: 'no matches for kind "Nothing" in version "apps/v1"',
    })
    proxy.seen.length = 0
    await expect(proxied.discovery.mapping(unknown)).rejects.toMatchObject({ reason: 'NoKindMatch' })
    expect(proxy.seen).toEqual([])
    await expect(proxied.discovery.mapping({ apiVersion: '../v1', kind: 'X' })).rejects.toMatchObject({ reason: 'BadRequest' })
  })
})
