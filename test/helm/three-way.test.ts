/** The patches of client-side apply; what they come to in a cluster, test/cluster/helm-apply.test.ts compares with helm. */
import { describe, expect, it } from 'vitest'
import type { KubeObject } from '../../src/api/object.ts'
import { threeWayPatch } from '../../src/helm/three-way.ts'

const of = (apiVersion: string, kind: string) => (fields: object) =>
  ({ apiVersion, kind, metadata: { name: 'web' }, ...fields }) as unknown as KubeObject
const [pod, configMap, deployment, thing] = [
  of('v1', 'Pod'),
  of('v1', 'ConfigMap'),
  of('apps/v1', 'Deployment'),
  of('example.com/v1', 'Thing'),
]

const patchOf = (before: KubeObject, after: KubeObject, heals = false) => {
  const { type, body } = threeWayPatch(before, after, { heals })
  const { apiVersion: _, kind: __, metadata, ...fields } = body
  return { type, metadata, ...fields }
}
const head = { type: 'strategic', metadata: { name: 'web' } }

describe('the patch of a built-in kind', () => {
  it('HLM-ACT-03 sends what is wanted, and removes fields that are not any more', () => {
    expect(patchOf(configMap({ data: { a: '1', gone: 'x' }, immutable: false }), configMap({ data: { a: '1' } }))).toEqual({
      ...head,
      data: { a: '1', gone: null },
      immutable: null,
    })
  })

  it('HLM-ACT-03 merges lists by their key, in the order that is wanted', () => {
    const containers = (...list: object[]) => pod({ spec: { containers: list } })
    const before = containers({ name: 'web', image: 'one', tty: true }, { name: 'gone', image: 'x' })
    expect(patchOf(before, containers({ name: 'new', image: 'x' }, { name: 'web', image: 'two' }))).toEqual({
      ...head,
      spec: {
        containers: [
          { name: 'new', image: 'x' },
          { name: 'web', image: 'two', tty: null },
          { $patch: 'delete', name: 'gone' },
        ],
        '$setElementOrder/containers': [{ name: 'new' }, { name: 'web' }],
      },
    })
  })

  it('HLM-ACT-03 merges sets, and replaces lists without a key', () => {
    const before = pod({ metadata: { name: 'web', finalizers: ['a', 'b'] }, spec: { tolerations: [{ key: 'a' }] } })
    expect(patchOf(before, pod({ metadata: { name: 'web', finalizers: ['b'] }, spec: { tolerations: [{ key: 'b' }] } }))).toEqual({
      type: 'strategic',
      metadata: {
        name: 'web',
        finalizers: ['b'],
        '$setElementOrder/finalizers': ['b'],
        '$deleteFromPrimitiveList/finalizers': ['a'],
      },
      spec: { tolerations: [{ key: 'b' }] },
    })
  })

  it('HLM-ACT-03 keeps nothing of another type of volume or strategy', () => {
    const spec = (strategy: object) =>
      deployment({ spec: { strategy, template: { spec: { volumes: [{ name: 'v', emptyDir: {} }] } } } })
    expect(patchOf(spec({ type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } }), spec({ type: 'Recreate' }))).toMatchObject({
      spec: {
        strategy: { type: 'Recreate', rollingUpdate: null, $retainKeys: ['type'] },
        template: { spec: { volumes: [{ name: 'v', emptyDir: {}, $retainKeys: ['name', 'emptyDir'] }] } },
      },
    })
  })

  it('takes no name from the prototype for a field', () => {
    const data = JSON.parse('{"__proto__": "x", "constructor": "y"}') as object
    const patch = patchOf(configMap({ data }), configMap({ data: {} }))
    expect(JSON.stringify(patch)).toContain('{"__proto__":null,"constructor":null}')
    expect(JSON.stringify(patchOf(configMap({ data: {} }), configMap({ data })))).toContain('{"__proto__":"x","constructor":"y"}')
  })
})

describe('the patch of a custom resource', () => {
  const before = thing({ spec: { kept: { a: 1 }, gone: 1, list: [1, 2] } })
  const after = thing({ spec: { kept: { a: 1 }, list: [2] } })

  it('HLM-ACT-03 is what differs between the manifests', () => {
    expect(threeWayPatch(before, after, { heals: false })).toEqual({ type: 'merge', body: { spec: { gone: null, list: [2] } } })
    expect(threeWayPatch(after, after, { heals: false }).body).toEqual({})
  })

  it('HLM-ACT-03 is all that is wanted where what others have changed is to be changed back', () => {
    const metadata = { name: 'web' }
    expect(patchOf(before, after, true)).toEqual({ type: 'merge', metadata, spec: { kept: { a: 1 }, list: [2], gone: null } })
  })
})
