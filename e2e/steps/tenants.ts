import assert from 'node:assert/strict'
import { loadAll } from 'js-yaml'
import { hasCondition, isReady, type Live } from '../../test/tools/watch.ts'
import type { PushedRepository } from '../git.ts'
import { configMap, webServer, yaml } from '../manifests.ts'
import { installed } from '../overlay.ts'
import { fluxNamespace, type Stage, type Step } from '../stage.ts'

/** The namespace, the account and the GitRepository of deploy/tenant. */
const tenant = 'team-a'
const source = { kind: 'GitRepository', name: 'apps' }
const victim = 'e2e-victim'

export const tenants: Step = {
  title: 'UC-23 SEC-01 SEC-02 a tenant reaches its own namespace and no other, by Kustomization or HelmRelease',
  async run(stage) {
    await using _multiTenant = await installed(stage, 'multi-tenant')
    const repository = await stage.git.create('tenant')
    await repository.commit(files(stage), 'Begin')
    await stage.namespace(victim)
    await stage.kubectl.apply(await tenantWith(stage, repository))

    await until(stage, 'kustomization/apps', isReady())
    await stage.kubectl('wait', '--namespace', tenant, '--for=condition=Available', 'deployment/web', '--timeout', '60s')
    await stage.kubectl.apply([release('inside'), release('outside'), release('nobody', { serviceAccountName: undefined })])
    await stage.kubectl.apply([kustomization('outside'), kustomization('nobody', { serviceAccountName: undefined })])
    await stage.kubectl.apply(borrowing())
    await until(stage, 'helmrelease/inside', isReady())
    for (const [ref, refusal] of refusals) stage.note(`${ref}: ${messageOf(await until(stage, ref, refusal))}`)
    assert.equal(await namesIn(stage, victim), '', 'what tenants have made elsewhere')

    await stage.kubectl('delete', 'kustomizations.kustomize.toolkit.fluxcd.io,helmreleases', '--all', '--namespace', tenant)
    assert.equal(await namesIn(stage, tenant), '', 'what is left of what the tenant has made')
    await stage.kubectl('delete', 'namespace', tenant, victim, '--timeout', '120s')
  },
}

const failed = (reason: string, text: RegExp) => hasCondition('Ready', 'False', reason, text)
const mayNot = (verb: string) =>
  new RegExp(`serviceaccount:${tenant}:${tenant}" cannot ${verb} resource "configmaps" .*in the namespace "${victim}"`)
const mayNotActAs = new RegExp(`cannot impersonate resource "serviceaccounts" .*in the namespace "${tenant}"`)
const mayNotRefer = /cross-namespace references are not allowed|can't access/

/** Every way out, and how it is refused. */
const refusals = [
  ['kustomization/outside', failed('ReconciliationFailed', mayNot('patch'))],
  ['kustomization/nobody', failed('ReconciliationFailed', mayNotActAs)],
  ['kustomization/borrowing', hasCondition('Stalled', 'True', 'AccessDenied', mayNotRefer)],
  ['helmrelease/outside', failed('InstallFailed', mayNot('patch'))],
  ['helmrelease/nobody', failed('StateError', mayNotActAs)],
  ['helmrelease/borrowing', hasCondition('Stalled', 'True', 'AccessDenied', mayNotRefer)],
] as const

function files({ images }: Stage): Record<string, string> {
  const elsewhere = { ...configMap('stolen', {}), metadata: { name: 'stolen', namespace: victim } }
  return {
    'apps/web.yaml': yaml(webServer('web', images.pods)),
    'outside/a.yaml': yaml(elsewhere),
    'nobody/a.yaml': yaml({ ...configMap('nobody', {}), metadata: { name: 'nobody', namespace: tenant } }),
    ...chart('inside', configMap('inside', {})),
    ...chart('outside', elsewhere),
    ...chart('nobody', configMap('nobody', {})),
  }
}

function chart(name: string, object: object): Record<string, string> {
  return {
    [`charts/${name}/Chart.yaml`]: `apiVersion: v2\nname: ${name}\nversion: 1.0.0\n`,
    [`charts/${name}/templates/a.yaml`]: yaml(object),
  }
}

/** deploy/tenant, with a Git server that is there. */
async function tenantWith({ kubectl }: Stage, { url }: PushedRepository): Promise<object[]> {
  const objects = loadAll(await kubectl('kustomize', 'deploy/tenant')) as readonly (object & { kind: string; spec?: object })[]
  return objects.map((object) => {
    if (object.kind === 'GitRepository') return { ...object, spec: { ...object.spec, url } }
    if (object.kind === 'Kustomization') return { ...object, spec: { ...object.spec, path: './apps' } }
    return object
  })
}

function kustomization(name: string, spec: object = {}): object {
  return {
    apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
    kind: 'Kustomization',
    metadata: { name, namespace: tenant },
    spec: { sourceRef: source, path: `./${name}`, prune: true, interval: '1h', serviceAccountName: tenant, ...spec },
  }
}

function release(name: string, spec: object = {}): object {
  return {
    apiVersion: 'helm.toolkit.fluxcd.io/v2',
    kind: 'HelmRelease',
    metadata: { name, namespace: tenant },
    spec: {
      chart: { spec: { chart: `./charts/${name}`, sourceRef: source } },
      interval: '1h',
      serviceAccountName: tenant,
      ...spec,
    },
  }
}

/** Objects that refer to a source of another namespace. */
function borrowing(): object[] {
  const sourceRef = { ...source, namespace: fluxNamespace }
  return [
    kustomization('borrowing', { sourceRef }),
    release('borrowing', { chart: { spec: { chart: './charts/inside', sourceRef } } }),
  ]
}

function until(stage: Stage, ref: string, claim: (object: Live) => boolean): Promise<Live> {
  return stage.until(ref, claim, { namespace: tenant })
}

function messageOf({ status }: Live): string {
  return status?.conditions?.find(({ type }) => type === 'Ready')?.message.replaceAll(/\s+/g, ' ') ?? ''
}

/** Deployments, and the ConfigMaps and Secrets that Kubernetes has not made itself. */
async function namesIn({ kubectl }: Stage, namespace: string): Promise<string> {
  const names = await kubectl('get', 'deployments,configmaps,secrets', '--namespace', namespace, '--output', 'name')
  return names.replace('configmap/kube-root-ca.crt\n', '')
}
