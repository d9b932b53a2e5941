import { describe, expect, it } from 'vitest'
import type { ObjectRef } from '../../src/api/object.ts'
import { byRank, compareInstallOrder, stagesOf } from '../../src/kube/stages.ts'

const item = (apiVersion: string, kind: string, name = 'x', namespace?: string): { ref: ObjectRef } => ({
  ref: { apiVersion, kind, name, namespace },
})
const rbac = 'rbac.authorization.k8s.io/v1'
const kindsOf = (items: readonly { ref: ObjectRef }[]) => items.map(({ ref }) => ref.kind)

describe('stagesOf', () => {
  it('puts definitions first, classes second, the rest last', () => {
    const stages = stagesOf([
      item('apps/v1', 'Deployment'),
      item('storage.k8s.io/v1', 'StorageClass'),
      item(rbac, 'ClusterRole'),
      item('v1', 'Namespace'),
      item('apiextensions.k8s.io/v1', 'CustomResourceDefinition'),
      item('example.com/v1', 'Namespace'),
    ])
    expect(stages.map(({ name, items }) => [name, kindsOf(items)])).toEqual([
      ['definitions', ['CustomResourceDefinition', 'Namespace', 'ClusterRole']],
      ['classes', ['StorageClass']],
      ['rest', ['Namespace', 'Deployment']],
    ])
  })

  it('KUS-APL-11 applies the custom stage kinds before the rest', () => {
    const items = [item(rbac, 'RoleBinding'), item(rbac, 'Role'), item('v1', 'ConfigMap'), item('v1', 'Secret')]
    const stages = stagesOf(items, new Set(['rbac.authorization.k8s.io/Role', 'Secret']))
    expect(stages.map(({ name, items }) => [name, kindsOf(items)])).toEqual([
      ['custom', ['Role', 'Secret']],
      ['rest', ['RoleBinding', 'ConfigMap']],
    ])
  })

  it('has no stage without objects', () => {
    expect(stagesOf([])).toEqual([])
  })
})

describe('the install order', () => {
  it('is that of Flux: known kinds, then by group, kind, namespace and name, webhooks last', () => {
    const items = [
      item('admissionregistration.k8s.io/v1', 'ValidatingWebhookConfiguration'),
      item('batch/v1', 'Job', 'b', 'a'),
      item('batch/v1', 'Job', 'a', 'b'),
      item('apps/v1', 'DaemonSet'),
      item('apps/v1', 'Deployment'),
      item('v1', 'Secret'),
      item('v1', 'ServiceAccount'),
      item('v1', 'Pod'),
    ]
    const ordered = items
      .toSorted((a, b) => compareInstallOrder(a.ref, b.ref))
      .map(({ ref }) => `${ref.kind} ${ref.namespace}/${ref.name}`)
    expect(ordered).toEqual([
      'ServiceAccount undefined/x',
      'Secret undefined/x',
      'Deployment undefined/x',
      'Pod undefined/x',
      'DaemonSet undefined/x',
      'Job a/b',
      'Job b/a',
      'ValidatingWebhookConfiguration undefined/x',
    ])
  })

  it('groups what may be written at the same time', () => {
    const items = [item('v1', 'Secret', 'a'), item('v1', 'Secret', 'b'), item('v1', 'Pod'), item('apps/v1', 'DaemonSet')]
    expect(byRank(items).map(kindsOf)).toEqual([
      ['Secret', 'Secret'],
      ['Pod', 'DaemonSet'],
    ])
  })
})
