/** Flags that change how objects are applied. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, inject, it } from 'vitest'
import { temporaryDirectory } from '../tools/processes.ts'
import { type Cluster, conditionOf, hasCondition, isReady, openCluster } from './harness.ts'

const kubeconfig = inject('kubeconfig')

it('KUS-APL-11 --custom-apply-stage-kinds lets who may not bind any role apply a Role and its RoleBinding together', async () => {
  await using cluster = await openCluster(kubeconfig, 'stage-kinds')
  const limited = await limitedAccount(cluster)
  const repository = await cluster.repository('app', { 'role.yaml': role, 'binding.yaml': roleBinding })
  await cluster.apply(
    cluster.gitRepository('app'),
    cluster.kustomization('app', { targetNamespace: cluster.namespace, retryInterval: '2s' }),
  )

  const without = await cluster.startSluice({ kubeconfig: limited })
  const failed = await cluster.until('kustomization/app', hasCondition('Ready', 'False', 'ReconciliationFailed'))
  expect(conditionOf(failed, 'Ready')?.message).toMatch(
    new RegExp(`^RoleBinding/${cluster.namespace}/app not found: .*"app" not found`),
  )
  // Refused before anything of the stage is written.
  expect(await cluster.list('roles')).toEqual([])
  expect(await without.stop()).toBe(0)

  await cluster.startSluice({
    kubeconfig: limited,
    flags: { 'custom-apply-stage-kinds': 'example.com/Other,rbac.authorization.k8s.io/Role' },
  })
  const ready = await cluster.until('kustomization/app', isReady(await repository.head()))
  expect(ready.status?.inventory?.entries.map(({ id }) => id.split('_').at(-1))).toEqual(['Role', 'RoleBinding'])
  expect((await cluster.list('rolebindings')).map(({ metadata }) => metadata.name)).toEqual(['app'])
})

it('KUS-APL-03 --override-manager removes what that field manager adds, and leaves what others add', async () => {
  await using cluster = await openCluster(kubeconfig, 'override-manager')
  await cluster.startSluice({ flags: { 'override-manager': 'robot' } })
  await cluster.repository('app', { 'a.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app}\ndata: {own: "1"}\n' })
  await cluster.apply(cluster.gitRepository('app'), cluster.kustomization('app', { targetNamespace: cluster.namespace }))
  await cluster.until('kustomization/app', isReady())
  const add = (manager: string) => {
    const patch = JSON.stringify({ data: { [manager]: 'was here' } })
    return cluster.kubectl('patch', 'configmap', 'app', '--type=merge', `--field-manager=${manager}`, '-p', patch)
  }
  await add('somebody')
  await add('robot')
  await cluster.reconcile('kustomization/app')
  await cluster.until('configmap/app', ({ data }) => data?.robot === undefined)
  expect((await cluster.get('configmap/app')).data).toEqual({ own: '1', somebody: 'was here' })
})

const role = `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: app}
rules: [{apiGroups: [''], resources: [configmaps], verbs: [get, list]}]
`
const roleBinding = `apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: app}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: app}
subjects: [{kind: ServiceAccount, name: default, namespace: default}]
`

/** A kubeconfig of an account that may do its work and write roles, and may only give rights that it has itself. */
async function limitedAccount(cluster: Cluster): Promise<string> {
  const { namespace } = cluster
  const name = `limited-${namespace}`
  const rules = [
    { apiGroups: ['source.toolkit.fluxcd.io', 'kustomize.toolkit.fluxcd.io'], resources: ['*'], verbs: ['*'] },
    {
      apiGroups: ['rbac.authorization.k8s.io'],
      resources: ['roles', 'rolebindings'],
      verbs: ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'],
    },
    { apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list'] },
    { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch'] },
  ]
  const rbac = { apiVersion: 'rbac.authorization.k8s.io/v1', metadata: { name } }
  await cluster.kubectl.apply([
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'limited', namespace } },
    { ...rbac, kind: 'ClusterRole', rules },
    {
      ...{ ...rbac, kind: 'ClusterRoleBinding' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [{ kind: 'ServiceAccount', name: 'limited', namespace }],
    },
  ])
  const token = await cluster.kubectl('create', 'token', 'limited')
  const config = JSON.parse(await cluster.kubectl('config', 'view', '--raw', '-o', 'json')) as { users: { name: string }[] }
  const users = config.users.map((user) => ({ name: user.name, user: { token: token.trim() } }))
  const file = join(await temporaryDirectory('account'), 'kubeconfig')
  await writeFile(file, JSON.stringify({ ...config, users }))
  return file
}
