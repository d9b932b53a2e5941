import { describe, expect, it } from 'vitest'
import type { ManagedFieldsEntry, ObjectMeta } from '../../src/api/object.ts'
import { cleanupPatch, lastWriter, observe, policyOf } from '../../src/kube/known.ts'

const group = 'kustomize.toolkit.fluxcd.io'
const ownership = { fieldManager: 'kustomize-controller', group, overrideManagers: ['robot'] }
const own: ManagedFieldsEntry = {
  ...{ manager: 'kustomize-controller', operation: 'Apply', apiVersion: 'v1', time: '2026-01-01T00:00:00Z' },
  fieldsV1: { 'f:data': { 'f:a': {} } },
}
const entry = (about: ManagedFieldsEntry): ManagedFieldsEntry => ({
  ...{ operation: 'Update', apiVersion: 'v1', time: '2026-01-01T00:00:09Z', fieldsV1: { 'f:data': { 'f:b': {} } } },
  ...about,
})
const live: ObjectMeta = { name: 'a', uid: 'u', resourceVersion: '1', managedFields: [own] }
const print = (metadata: ObjectMeta) => observe(metadata, ownership).fingerprint

describe('the fingerprint', () => {
  const changes: [string, ObjectMeta][] = [
    ['another uid', { ...live, uid: 'other' }],
    ['a deletion timestamp', { ...live, deletionTimestamp: '2026-01-01T00:00:00Z' }],
    ['fewer fields of ours', { ...live, managedFields: [{ ...own, fieldsV1: {} }] }],
    ['another time of our entry', { ...live, managedFields: [{ ...own, time: '2026-01-01T00:00:01Z' }] }],
    ['an entry of kubectl', { ...live, managedFields: [own, entry({ manager: 'kubectl-edit' })] }],
    ['an update entry of ours', { ...live, managedFields: [own, entry({ manager: 'kustomize-controller' })] }],
    ['an entry of a manager to be overridden', { ...live, managedFields: [own, entry({ manager: 'robot' })] }],
    ['a label of our group', { ...live, labels: { [`${group}/prune`]: 'disabled' } }],
    ['an annotation of our group', { ...live, annotations: { [`${group}/reconcile`]: 'disabled' } }],
    ['what kubectl left', { ...live, annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}' } }],
    ['another generation', { ...live, generation: 2 }],
  ]
  it.each(changes)('differs for %s', (_, changed) => {
    expect(print(changed)).not.toBe(print(live))
  })

  const status = entry({ manager: 'kcm', subresource: 'status', fieldsV1: { 'f:status': {}, 'f:metadata': {} } })
  const scaler = entry({ manager: 'hpa', subresource: 'scale', fieldsV1: { 'f:spec': { 'f:replicas': {} } } })
  const same: [string, ObjectMeta, ObjectMeta][] = [
    ['a newer version', live, { ...live, resourceVersion: '2' }],
    [
      'labels and annotations of others',
      live,
      { ...live, labels: { a: 'b' }, annotations: { 'deployment.kubernetes.io/revision': '1' } },
    ],
    ['a status writer', { ...live, generation: 1 }, { ...live, generation: 1, managedFields: [own, status] }],
    [
      'a generation that a scaler counts up',
      { ...live, generation: 1, managedFields: [own, scaler] },
      { ...live, generation: 2, managedFields: [own, scaler] },
    ],
    ['kubectl scale, which writes no field of ours', live, { ...live, managedFields: [own, { ...scaler, manager: 'kubectl' }] }],
  ]
  it.each(same)('is the same for %s', (_, before, after) => {
    expect(print(after)).toBe(print(before))
  })

  it('does not exist where we have not applied', () => {
    expect(print({ ...live, managedFields: [entry({ manager: 'kustomize-controller' })] })).toBeUndefined()
  })

  it('is not decisive for kinds without generation while our entry is the newest', () => {
    expect(observe(live, ownership).decisive).toBe(false)
    expect(observe({ ...live, generation: 1 }, ownership).decisive).toBe(true)
    expect(observe({ ...live, managedFields: [own, entry({ manager: 'somebody' })] }, ownership).decisive).toBe(true)
  })
})

describe('policyOf', () => {
  it('reads labels and annotations, whatever the case of their values', () => {
    expect(policyOf({ labels: { [`${group}/ssa`]: 'IFNOTPRESENT' } }, group)).toMatchObject({ ifNotPresent: true, ignored: false })
    expect(policyOf({ annotations: { [`${group}/reconcile`]: 'Disabled' } }, group).ignored).toBe(true)
    expect(policyOf({ labels: { [`${group}/ssa`]: 'Ignore' } }, group).ignored).toBe(true)
    expect(policyOf({ annotations: { [`${group}/prune`]: 'disabled', [`${group}/force`]: 'Enabled' } }, group)).toMatchObject({
      keep: true,
      force: true,
    })
    expect(policyOf({ labels: { [`${group}/prune`]: false as unknown as string } }, group).keep).toBe(false)
  })
})

describe('cleanupPatch', () => {
  it('merges the fields of kubectl and its like into our entry and keeps the others', () => {
    const other = entry({ manager: 'somebody' })
    const managedFields = [
      own,
      other,
      entry({ manager: 'kubectl-client-side-apply' }),
      entry({ manager: 'before-first-apply', fieldsV1: {} }),
    ]
    expect(cleanupPatch({ ...live, managedFields }, ownership)).toEqual([
      {
        op: 'replace',
        path: '/metadata/managedFields',
        value: [other, { ...own, fieldsV1: { 'f:data': { 'f:a': {}, 'f:b': {} } } }],
      },
      { op: 'replace', path: '/metadata/resourceVersion', value: '1' },
    ])
  })

  it('makes the first entry taken over ours where we have none', () => {
    const kubectl = entry({ manager: 'kubectl' })
    const [patch] = cleanupPatch({ ...live, managedFields: [kubectl] }, ownership)
    expect(patch).toMatchObject({ value: [{ ...kubectl, manager: 'kustomize-controller', operation: 'Apply' }] })
  })

  it('removes left-over annotations and labels', () => {
    const metadata = { ...live, annotations: { 'fluxcd.io/sync-checksum': 'x' }, labels: { 'fluxcd.io/sync-gc-mark': 'y', z: 'z' } }
    expect(cleanupPatch(metadata, ownership).slice(0, 2)).toEqual([
      { op: 'remove', path: '/metadata/annotations/fluxcd.io~1sync-checksum' },
      { op: 'remove', path: '/metadata/labels/fluxcd.io~1sync-gc-mark' },
    ])
  })

  it('is empty when there is nothing to do, also for entries of subresources', () => {
    const managedFields = [own, entry({ manager: 'kubectl', subresource: 'scale' })]
    expect(cleanupPatch({ ...live, managedFields }, ownership)).toEqual([])
  })
})

it('names the manager that wrote last, apart from us and those who report status', () => {
  const managedFields = [
    entry({ manager: 'early', time: '2026-01-01T00:00:01Z' }),
    entry({ manager: 'late', time: '2026-01-01T00:00:05Z' }),
    entry({ manager: 'status', time: '2026-01-01T00:00:09Z', subresource: 'status' }),
    { ...own, time: '2026-01-01T00:00:10Z' },
  ]
  expect(lastWriter({ ...live, managedFields }, ownership)).toBe('late')
})
