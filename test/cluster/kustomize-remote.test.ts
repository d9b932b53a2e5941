/** Kustomizations in another cluster than the one that has their objects. */
import { readFile, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type ControlPlane, startControlPlane } from '../tools/control-plane.ts'
import { startFaultProxy } from '../tools/fault-proxy.ts'
import { temporaryDirectory } from '../tools/processes.ts'
import type { Repository } from '../tools/repository.ts'
import { untilGone, untilObject } from '../tools/watch.ts'
import { type Claim, type Cluster, hasCondition, isReady, type Manifest, openCluster } from './harness.ts'

let near: Cluster
let far: ControlPlane
let repository: Repository
let kubeconfig: string

beforeAll(async () => {
  ;[near, far] = await Promise.all([openCluster(inject('kubeconfig'), 'ks-remote'), startControlPlane()])
  kubeconfig = await readFile(far.kubeconfig, 'utf8')
  await far.kubectl('create', 'namespace', 'apps')
  repository = await near.repository('apps', { 'one/a.yaml': configMap('a', 'first'), 'one/b.yaml': configMap('b', 'first') })
  await near.startSluice({ flags: { 'min-retry-delay': '200ms', concurrent: '1' } })
  await near.apply(near.gitRepository('apps'), secret('far', { value: kubeconfig }))
}, 90_000)

afterAll(async () => {
  await near?.[Symbol.asyncDispose]()
  await far?.[Symbol.asyncDispose]()
})

function configMap(name: string, text: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name} }\ndata: { text: ${text} }\n`
}

function secret(name: string, stringData: Readonly<Record<string, string>>): Manifest {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, labels: { 'reconcile.fluxcd.io/watch': 'Enabled' } }, stringData }
}

/** The administrator's kubeconfig with another cluster or user. */
function kubeconfigWith({ cluster, user }: { readonly cluster?: object; readonly user?: object }): string {
  const config = JSON.parse(kubeconfig) as { clusters: object[]; users: object[] }
  return JSON.stringify({
    ...config,
    ...(cluster && { clusters: [{ name: 'sluice', cluster }] }),
    ...(user && { users: [{ name: 'sluice', user }] }),
  })
}

function kustomization(name: string, spec: Readonly<Record<string, unknown>> = {}): Manifest {
  return near.kustomization(name, {
    sourceRef: { kind: 'GitRepository', name: 'apps' },
    path: './one',
    targetNamespace: 'apps',
    kubeConfig: { secretRef: { name: 'far' } },
    interval: '1h',
    retryInterval: '1h',
    ...spec,
  })
}

async function commit(files: Readonly<Record<string, string>>): Promise<void> {
  await repository.commit(files, 'another commit')
  await near.reconcile('gitrepository/apps')
}

const there = (ref: string, claim: Claim) => untilObject(ref, { kubeconfig: far.kubeconfig, namespace: 'apps' }, claim)
const goneThere = (ref: string) => untilGone(ref, { kubeconfig: far.kubeconfig, namespace: 'apps' })
const hasText =
  (text: string): Claim =>
  (object) =>
    (object as { data?: { text?: string } }).data?.text === text

const saysInStatus =
  (text: string): Claim =>
  ({ status }) =>
    JSON.stringify(status).includes(text)

describe('a Kustomization with a kubeconfig', () => {
  it('KUS-RMT-01 applies, checks, prunes, mends and deletes there, and nothing of it is here', async () => {
    await near.apply(kustomization('faraway', { wait: true }))
    const ready = await near.until('kustomization/faraway', isReady())
    expect(ready.status?.conditions?.map(({ type }) => type)).toContain('Healthy')
    await there('configmap/a', hasText('first'))
    await far.kubectl('patch', 'configmap', 'a', '--namespace', 'apps', '--type=merge', '-p', '{"data":{"text":"edited"}}')
    await there('configmap/a', hasText('first'))

    await commit({ 'one/a.yaml': configMap('a', 'second'), 'one/b.yaml': '' })
    await there('configmap/a', hasText('second'))
    await goneThere('configmap/b')

    await near.kubectl('delete', 'kustomization/faraway', '--wait')
    await goneThere('configmap/a')
    expect(await near.kubectl('get', 'configmap', '--all-namespaces', '--output', 'name')).not.toMatch(/configmap\/[ab]$/m)
    await commit({ 'one/a.yaml': configMap('a', 'first') })
  })
  it('KUS-RMT-01 KUS-RMT-03 acts there as the service account that is named, with its rights, to the end', async () => {
    await near.apply(kustomization('tenant', { serviceAccountName: 'tenant' }))
    const failed = await near.until('kustomization/tenant', hasCondition('Ready', 'False', 'ReconciliationFailed'))
    const account = `${near.namespace}:tenant`
    expect(JSON.stringify(failed.status)).toContain(`system:serviceaccount:${account}`)
    const rights = ['--clusterrole=cluster-admin', `--serviceaccount=${account}`, '--namespace=apps']
    await far.kubectl('create', 'rolebinding', 'tenant', ...rights)
    await near.reconcile('kustomization/tenant')
    await near.until('kustomization/tenant', isReady())
    await there('configmap/a', hasText('first'))
    await near.kubectl('delete', 'kustomization/tenant', '--wait')
    await goneThere('configmap/a')
  })

  it('KUS-RMT-01 API-14 waits for the Secret that leads there, and goes on when it is right', async () => {
    await near.apply(kustomization('late', { kubeConfig: { secretRef: { name: 'soon', key: 'config' } } }))
    const missing = await near.until('kustomization/late', hasCondition('Ready', 'False', 'ReconciliationFailed'))
    expect(JSON.stringify(missing.status)).toContain(`could not get KubeConfig secret '${near.namespace}/soon'`)
    await near.apply(secret('soon', { config: 'clusters: [' }))
    await near.until('kustomization/late', hasCondition('Ready', 'False', 'ReconciliationFailed', 'not valid YAML'))
    await near.apply(secret('soon', { config: kubeconfigWith({ user: { token: 'expired' } }) }))
    const refused = await near.until('kustomization/late', hasCondition('Ready', 'False', 'ReconciliationFailed', 'renew them'))
    expect(JSON.stringify(refused.status)).toContain(`KubeConfig secret '${near.namespace}/soon' key 'config'`)
    await near.apply(secret('soon', { config: kubeconfig }))
    await near.until('kustomization/late', isReady())
    await there('configmap/a', hasText('first'))

    await near.kubectl('delete', 'secret', 'soon')
    await near.kubectl('delete', 'kustomization/late', '--wait=false')
    await near.until('kustomization/late', saysInStatus('with spec.deletionPolicy Orphan they stay'))
    await there('configmap/a', hasText('first'))
    await near.apply(secret('soon', { config: kubeconfig }))
    await near.untilGone('kustomization/late')
    await goneThere('configmap/a')
  })

  it('F-GC-06 KUS-RMT-01 is let go when its namespace goes, and says what it leaves behind', async () => {
    await using doomed = await openCluster(inject('kubeconfig'), 'ks-doomed')
    await doomed.repository('apps', { 'one/doomed.yaml': configMap('doomed', 'x') })
    const sluice = await doomed.startSluice()
    await doomed.apply(doomed.gitRepository('apps'), secret('far', { value: kubeconfig }), kustomization('doomed'))
    await doomed.until('kustomization/doomed', isReady())
    // As the namespace controller does, in the order that keeps the Kustomization from its Secret.
    await doomed.kubectl('delete', 'namespace', doomed.namespace, '--wait=false')
    await doomed.kubectl('delete', 'secret', 'far')
    await doomed.kubectl('delete', 'kustomization', 'doomed', '--timeout=30s')
    await sluice.untilLog(({ msg }) => msg === 'unable to prune objects: \nConfigMap/apps/doomed')
  })

  it('KUS-RMT-01 deletes what moves to a Kustomization of another cluster', async () => {
    const { namespace } = near
    await far.kubectl('create', 'namespace', namespace)
    await commit({ 'there/moving.yaml': configMap('moving', 'x'), 'there/kept.yaml': configMap('kept', 'x') })
    await commit({ 'here/own.yaml': configMap('own', 'x') })
    const inNamespace = { targetNamespace: namespace, interval: '1h' }
    await near.apply(kustomization('there', { path: './there', ...inNamespace }))
    await near.apply(kustomization('here', { path: './here', kubeConfig: undefined, ...inNamespace }))
    await near.until('kustomization/there', isReady())
    await near.until('kustomization/here', isReady())
    await commit({ 'there/moving.yaml': '', 'here/moving.yaml': configMap('moving', 'x') })
    await near.until('configmap/moving', hasText('x'))
    await untilGone('configmap/moving', { kubeconfig: far.kubeconfig, namespace })
    const entries = (await near.until('kustomization/there', isReady())).status?.inventory
    expect(JSON.stringify(entries)).not.toContain('moving')
  })

  it('F-OPS-08 KUS-RMT-01 waits for a slow cluster beside the others, which go on meanwhile', async () => {
    await using slow = await startFaultProxy(far.kubeconfig)
    const [asked, answers] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    slow.fault = ({ url }) => {
      if (url.pathname === '/version') return undefined
      asked.resolve()
      return answers.promise
    }
    await near.apply(secret('slow', { value: kubeconfigWith({ cluster: { server: slow.url } }) }))
    const names = ['slow-1', 'slow-2', 'slow-3', 'slow-4', 'slow-5', 'slow-6']
    const spec = { kubeConfig: { secretRef: { name: 'slow' } } }
    await near.apply(...names.map((name) => kustomization(name, { ...spec, namePrefix: `${name}-` })))
    await asked.promise
    // Of the one worker that there is.
    await near.apply(kustomization('quick', { path: './here', kubeConfig: undefined, targetNamespace: near.namespace }))
    await near.until('kustomization/quick', isReady(), { timeoutMs: 15_000 })
    answers.resolve()
    for (const name of names) await near.until(`kustomization/${name}`, isReady())
  })

  it('F-OPS-08 KUS-RMT-01 tells within half a minute that its cluster does not answer, and others go on meanwhile', async () => {
    const connected = Promise.withResolvers<void>()
    const silent = createServer(() => connected.resolve())
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as AddressInfo
    await near.apply(secret('silent', { value: kubeconfigWith({ cluster: { server: `https://127.0.0.1:${port}` } }) }))
    await near.apply(kustomization('silent', { kubeConfig: { secretRef: { name: 'silent' } } }))
    await connected.promise
    // Of the one worker that there is.
    await near.apply(kustomization('local', { path: './here', kubeConfig: undefined, targetNamespace: near.namespace }))
    await near.until('kustomization/local', isReady(), { timeoutMs: 15_000 })
    const failed = hasCondition('Ready', 'False', 'ReconciliationFailed')
    const silence = await near.until('kustomization/silent', failed, { timeoutMs: 45_000 })
    expect(JSON.stringify(silence.status)).toMatch(
      /the cluster of KubeConfig secret '\S+\/silent' key 'value' cannot be reached: (no answer within 30 seconds|.*timeout)/i,
    )
    silent.close()
  }, 90_000)
})

describe('a kubeconfig', () => {
  const insecure = () => kubeconfigWith({ cluster: { server: far.server, 'insecure-skip-tls-verify': true } })
  const withProgram = () => {
    const status = { token: far.token }
    const answer = JSON.stringify({ apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status })
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: 'echo', args: [answer], interactiveMode: 'Never' }
    return kubeconfigWith({ user: { exec } })
  }

  it('SEC-06 that runs a program or does not verify certificates is not obeyed, and its Secret is named', async () => {
    await near.apply(secret('program', { value: withProgram() }), secret('insecure', { value: insecure() }))
    for (const [name, why] of [
      ['program', 'exec plugins and auth providers are not allowed'],
      ['insecure', 'certificate'],
    ] as const) {
      await near.apply(kustomization(name, { kubeConfig: { secretRef: { name } } }))
      const failed = await near.until(`kustomization/${name}`, hasCondition('Ready', 'False', 'ReconciliationFailed', why))
      expect(JSON.stringify(failed.status)).toContain(`KubeConfig secret '${near.namespace}/${name}' key 'value'`)
      expect(JSON.stringify(failed.status)).not.toContain(far.token)
    }
  })

  it('SEC-06 may do both where the flags allow it', async () => {
    await using lax = await openCluster(inject('kubeconfig'), 'ks-lax')
    await lax.repository('apps', { 'one/lax.yaml': configMap('lax', 'x') })
    await lax.startSluice({ flags: { 'insecure-kubeconfig-exec': 'true', 'insecure-kubeconfig-tls': 'true' } })
    await lax.apply(
      lax.gitRepository('apps'),
      secret('program', { value: withProgram() }),
      secret('insecure', { value: insecure() }),
    )
    for (const name of ['program', 'insecure']) {
      await lax.apply(kustomization(name, { kubeConfig: { secretRef: { name } } }))
      await lax.until(`kustomization/${name}`, isReady())
    }
  })
})

describe('a ConfigMap that leads to a cluster', () => {
  /** Trusts the tokens of the service accounts of `near`: it is the same. */
  async function described(name: string, data: Readonly<Record<string, string>> = {}): Promise<Manifest> {
    const { clusters } = JSON.parse(await readFile(inject('kubeconfig'), 'utf8')) as {
      clusters: [{ cluster: { server: string; 'certificate-authority-data': string } }]
    }
    const { server, 'certificate-authority-data': ca } = clusters[0].cluster
    return {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, labels: { 'reconcile.fluxcd.io/watch': 'Enabled' } },
      data: {
        provider: 'generic',
        address: server.replace('https://', ''),
        'ca.crt': Buffer.from(ca, 'base64').toString(),
        audiences: `\n${issuer}\n`,
        ...data,
      },
    }
  }

  const issuer = 'https://kubernetes.default.svc.cluster.local'
  const account = (name: string): Manifest => ({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } })
  const led = (cluster: Cluster, name: string) =>
    kustomization(name, { path: './one', targetNamespace: cluster.namespace, kubeConfig: { configMapRef: { name } } })

  it('KUS-RMT-02 does so with the tokens of the service account that it names', async () => {
    await using trusted = await openCluster(inject('kubeconfig'), 'ks-trusted')
    await trusted.repository('apps', { 'one/trusted.yaml': configMap('trusted', 'x') })
    await trusted.startSluice({ flags: { 'feature-gates': 'ObjectLevelWorkloadIdentity=true', 'min-retry-delay': '200ms' } })
    await trusted.apply(trusted.gitRepository('apps'), await described('way', { serviceAccountName: 'deployer' }))
    await trusted.apply(led(trusted, 'way'))
    const missing = await trusted.until('kustomization/way', hasCondition('Ready', 'False', 'ReconciliationFailed'))
    expect(JSON.stringify(missing.status)).toContain('failed to create kubernetes token: serviceaccounts')
    await trusted.apply(account('deployer'))
    await trusted.reconcile('kustomization/way')
    const user = `system:serviceaccount:${trusted.namespace}:deployer`
    await trusted.until('kustomization/way', hasCondition('Ready', 'False', 'ReconciliationFailed', user))
    const rights = ['--clusterrole=cluster-admin', `--serviceaccount=${trusted.namespace}:deployer`]
    await trusted.kubectl('create', 'rolebinding', 'deployer', ...rights)
    await trusted.reconcile('kustomization/way')
    await trusted.until('kustomization/way', isReady())
    await trusted.until('configmap/trusted', hasText('x'))
    await trusted.kubectl('delete', 'kustomization/way', '--wait')
    await trusted.untilGone('configmap/trusted')
  })

  it('KUS-RMT-02 does so as Sluice itself where it names none', async () => {
    await using trusted = await openCluster(inject('kubeconfig'), 'ks-own')
    const { namespace } = trusted
    await trusted.repository('apps', { 'one/own.yaml': configMap('own', 'x') })
    await trusted.apply(account('sluice'))
    const binding = `sluice-${namespace}`
    const rights = ['--clusterrole=cluster-admin', `--serviceaccount=${namespace}:sluice`]
    await trusted.kubectl('create', 'clusterrolebinding', binding, ...rights)
    const token = (await trusted.kubectl('create', 'token', 'sluice')).trim()
    const config = JSON.parse(await readFile(inject('kubeconfig'), 'utf8')) as object
    const own = join(await temporaryDirectory('own'), 'kubeconfig')
    await writeFile(own, JSON.stringify({ ...config, users: [{ name: 'sluice', user: { token } }] }))
    await trusted.startSluice({ kubeconfig: own })
    await trusted.apply(trusted.gitRepository('apps'), await described('way'), led(trusted, 'way'))
    await trusted.until('kustomization/way', isReady())
    await trusted.until('configmap/own', hasText('x'))
    await trusted.kubectl('delete', 'clusterrolebinding', binding)
  })

  it('KUS-RMT-02 SEC-05 says what it does not do, and for whom', async () => {
    await near.apply(
      await described('chosen', { serviceAccountName: 'deployer' }),
      await described('cloud', { provider: 'aws' }),
      await described('plain', { address: 'http://127.0.0.1' }),
    )
    await near.apply(led(near, 'chosen'), led(near, 'cloud'), led(near, 'plain'))
    const refused = hasCondition(
      'Ready',
      'False',
      'ReconciliationFailed',
      'ObjectLevelWorkloadIdentity feature gate is not enabled',
    )
    await near.until('kustomization/chosen', refused)
    await near.until('kustomization/plain', hasCondition('Ready', 'False', 'ReconciliationFailed', 'must use https scheme'))
    const stalled = await near.until('kustomization/cloud', hasCondition('Stalled', 'True', 'UnsupportedField'))
    expect(JSON.stringify(stalled.status)).toContain('spec.kubeConfig.configMapRef: provider aws is not implemented')
  })
})
