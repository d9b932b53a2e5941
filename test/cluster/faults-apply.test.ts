/** Objects that the API server refuses, warns about, or that do not go. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Flux, not of TypeScript
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { gateAfter, isDelete, type Line, openLine } from './faults.ts'
import { type Cluster, conditionOf, hasCondition, isReady, openCluster, type Sluice } from './harness.ts'
import { writeStatus } from './statuses.ts'

let cluster: Cluster
let line: Line
let sluice: Sluice

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'faults-apply')
  line = await openLine(cluster.kubeconfig)
  sluice = await cluster.startSluice({ kubeconfig: line.kubeconfig })
})

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  await line?.[Symbol.asyncDispose]()
})

/** A repository with one file, applied into the test's namespace; waits for nothing. */
async function sync(name: string, manifest: string, spec: Readonly<Record<string, unknown>> = {}) {
  const repository = await cluster.repository(name, { 'a.yaml': manifest })
  const targetNamespace = cluster.namespace
  await cluster.apply(cluster.gitRepository(name), cluster.kustomization(name, { targetNamespace, retryInterval: '1s', ...spec }))
  return {
    head: () => repository.head(),
    /** Pushes another version of the file. */
    push: async (changed: string) => {
      const commit = await repository.commit({ 'a.yaml': changed }, 'Change')
      await cluster.reconcile(`gitrepository/${name}`)
      return commit
    },
  }
}

const isGoing = ({ metadata }: { metadata: { deletionTimestamp?: string } }) => metadata.deletionTimestamp !== undefined

describe('an object that has to be replaced', () => {
  it('F-APP-05 is not created again before its finalizers have let it go', async () => {
    const manifest = (value: string, metadata = '') =>
      `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: held${metadata}}\nimmutable: true\ndata: {value: ${value}}\n`
    const { head, push } = await sync('held', manifest('old', ', finalizers: [test.example.com/hold]'), { force: true })
    await cluster.until('kustomization/held', isReady(await head()))
    const { uid } = (await cluster.get('configmap/held')).metadata
    const pushed = push(manifest('new'))
    const going = await cluster.until('configmap/held', isGoing)
    await pushed
    expect([going.metadata.uid, going.data]).toEqual([uid, { value: 'old' }])
    await cluster.until('kustomization/held', hasCondition('Reconciling', 'True', 'Progressing', 'Detecting drift'))

    await cluster.kubectl('patch', 'configmap/held', '--type=merge', '-p', '{"metadata":{"finalizers":null}}')
    const created = await cluster.until('configmap/held', ({ metadata }) => metadata.uid !== uid)
    expect(created.data).toEqual({ value: 'new' })
    await cluster.until('kustomization/held', isReady(await head()))
  })

  it('F-APP-05 a volume claim in use is named with its field, and replaced when it is let go', async () => {
    const claim = (storageClass: string) =>
      `apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: disk}\nspec: {storageClassName: ${storageClass}, volumeName: one, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n`
    const { head, push } = await sync('disk', claim('slow'))
    await cluster.until('kustomization/disk', isReady(await head()))
    await writeStatus(cluster, 'pvc/disk', { phase: 'Bound', capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'] })
    const { uid, finalizers } = (await cluster.get('pvc/disk')).metadata
    expect(finalizers).toEqual(['kubernetes.io/pvc-protection'])
    const changed = await push(claim('fast'))
    const refused = await cluster.until('kustomization/disk', hasCondition('Ready', 'False', 'ReconciliationFailed'))
    expect(conditionOf(refused, 'Ready')?.message).toMatch(
      /PersistentVolumeClaim\/.*\/disk dry-run failed \(Invalid\): .*spec is immutable.*; spec cannot be changed in place: .*spec\.force: true/s,
    )
    expect((await cluster.get('pvc/disk')).metadata).not.toHaveProperty('deletionTimestamp')

    await cluster.kubectl('patch', 'kustomization/disk', '--type=merge', '-p', '{"spec":{"force":true}}')
    const going = await cluster.until('pvc/disk', isGoing)
    expect(going.metadata.uid).toBe(uid)
    await cluster.kubectl('patch', 'pvc/disk', '--type=merge', '-p', '{"metadata":{"finalizers":null}}')
    const created = await cluster.until('pvc/disk', ({ metadata }) => metadata.uid !== uid)
    expect(created.spec?.storageClassName).toBe('fast')
    await cluster.until('kustomization/disk', isReady(changed))
  })

  it('F-APP-05 may be gone at the very moment', async () => {
    const job = (tag: string) =>
      `apiVersion: batch/v1\nkind: Job\nmetadata: {name: once}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: 'example.com/a:${tag}'}]}}}\n`
    const { head, push } = await sync('once', job('v1'), { force: true })
    await cluster.until('kustomization/once', isReady(await head()))
    const gate = gateAfter(0, line.proxy, isDelete('jobs'))
    const changed = await push(job('v2'))
    await gate.reached
    await cluster.kubectl('delete', 'job/once', '--cascade=background')
    gate.open()
    await cluster.until('kustomization/once', isReady(changed))
    expect(JSON.stringify((await cluster.get('job/once')).spec)).toContain('example.com/a:v2')
  })
})

describe('what a namespace allows', () => {
  it('F-APP-09 names the quota that is exceeded, and applies when there is room', async () => {
    await cluster.apply({ apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'few' }, spec: { hard: { secrets: '0' } } })
    await writeStatus(cluster, 'resourcequota/few', { hard: { secrets: '0' }, used: { secrets: '0' } })
    await sync('quota', 'apiVersion: v1\nkind: Secret\nmetadata: {name: quota}\nstringData: {pin: "471108151234"}\n')
    const refused = await cluster.until('kustomization/quota', hasCondition('Ready', 'False', 'ReconciliationFailed'))
    const message = conditionOf(refused, 'Ready')?.message
    expect(message).toContain('exceeded quota: few, requested: secrets=1, used: secrets=0, limited: secrets=0')
    expect(message).not.toContain('471108151234')
    await cluster.kubectl('delete', 'resourcequota/few')
    await cluster.until('kustomization/quota', isReady())
  })

  it('F-APP-09 names the limit that a container exceeds', async () => {
    const limits = [{ type: 'Container', max: { memory: '64Mi' } }]
    await cluster.apply({ apiVersion: 'v1', kind: 'LimitRange', metadata: { name: 'small' }, spec: { limits } })
    await cluster.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } })
    await sync(
      'limit',
      'apiVersion: v1\nkind: Pod\nmetadata: {name: big}\nspec: {containers: [{name: a, image: a, resources: {limits: {memory: 1Gi}}}]}\n',
    )
    const text = 'maximum memory usage per Container is 64Mi, but limit is 1Gi'
    await cluster.until('kustomization/limit', hasCondition('Ready', 'False', 'ReconciliationFailed', text))
  })

  it('F-APP-09 shows a warning of PodSecurity in the log, and applies', async () => {
    await cluster.kubectl('label', 'namespace', cluster.namespace, 'pod-security.kubernetes.io/warn=restricted')
    const container = '{name: a, image: a, securityContext: {privileged: true}}'
    const { head } = await sync(
      'privileged',
      `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: privileged}\nspec: {selector: {matchLabels: {app: a}}, template: {metadata: {labels: {app: a}}, spec: {containers: [${container}]}}}\n`,
    )
    await cluster.until('kustomization/privileged', isReady(await head()))
    await sluice.untilLog(({ warning }) => /would violate PodSecurity "restricted.*privileged/.test(String(warning)))
  })
})

describe('a CRD that speaks of variables', () => {
  it('F-VAR-05 keeps its text when it opts out, and is named by file where it does not', async () => {
    const crd = (annotations: string) => `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: texts.${cluster.namespace}.example.com, annotations: ${annotations}}
spec:
  group: ${cluster.namespace}.example.com
  names: {kind: Text, plural: texts, singular: text}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, description: 'Use \${region:-nowhere} or \${undefined_here}.'}}
`
    const postBuild = { substitute: { region: 'eu' } }
    const { push } = await sync('texts', crd('{}'), { postBuild })
    const message = /variable not set \(strict mode\): "undefined_here" in spec\.versions.*description \(a\.yaml\)/
    await cluster.until('kustomization/texts', hasCondition('Ready', 'False', 'BuildFailed', message))
    const kept = await push(crd('{kustomize.toolkit.fluxcd.io/substitute: disabled}'))
    await cluster.until('kustomization/texts', isReady(kept))
    const live = JSON.stringify((await cluster.get(`crd/texts.${cluster.namespace}.example.com`)).spec)
    expect(live).toContain('Use ${region:-nowhere} or ${undefined_here}.')
    await cluster.kubectl('delete', 'kustomization/texts')
  })
})
