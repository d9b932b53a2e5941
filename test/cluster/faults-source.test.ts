/** Sources whose content or credentials are not what they should be. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type ChartServer, startChartServer } from '../tools/chart-server.ts'
import { pushArtifact } from '../tools/push.ts'
import { dockerConfigSecret, registryLogin, startRegistry } from '../tools/registry.ts'
import { type Cluster, conditionOf, hasCondition, isReady, openCluster } from './harness.ts'

let cluster: Cluster
let charts: ChartServer

const right = { username: 'reader', password: 'right-password-4711' }

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'faults-source', { git: { auth: right } })
  charts = await startChartServer({ auth: right })
  await cluster.startSluice({ flags: { 'helm-cache-max-size': '10' } })
  await cluster.apply(secret('right', right), secret('wrong', { ...right, password: 'wrong-password-0815' }))
})

afterAll(async () => {
  await charts?.[Symbol.asyncDispose]()
  await cluster?.[Symbol.asyncDispose]()
})

const secret = (name: string, stringData: Readonly<Record<string, string>>) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name },
  stringData,
})
const configMap = (name: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\n`

describe('a tree of which everything is ignored', () => {
  it('F-SRC-14 is an artifact, as with Flux; a Kustomization with a path fails by it and prunes nothing', async () => {
    const repository = await cluster.repository('ignored', { 'app/a.yaml': configMap('ignored') })
    const git = { secretRef: { name: 'right' } }
    await cluster.apply(cluster.gitRepository('ignored', git))
    await cluster.apply(cluster.kustomization('ignored', { path: './app', targetNamespace: cluster.namespace }))
    await cluster.until('kustomization/ignored', isReady(await repository.head()))
    const before = (await cluster.get('gitrepository/ignored')).status?.artifact?.digest
    await cluster.apply(cluster.gitRepository('ignored', { ...git, ignore: '/*\n' }))
    const empty = await cluster.until('gitrepository/ignored', isReady(await repository.head()))
    expect(empty.status?.artifact?.digest).not.toBe(before)

    const failed = await cluster.reconcile('kustomization/ignored')
    expect(conditionOf(failed, 'Ready')).toMatchObject({
      status: 'False',
      reason: 'ArtifactFailed',
      message: expect.stringContaining("kustomization path not found: './app' does not exist in revision"),
    })
    expect(failed.status?.inventory?.entries).toHaveLength(1)
    await cluster.get('configmap/ignored')
  })
})

describe('two objects with the same URL', () => {
  it('F-SRC-27 a GitRepository with the wrong password gets nothing of what another has fetched', async () => {
    const repository = await cluster.repository('private', { 'a.yaml': configMap('private') })
    const url = cluster.git.url('private')
    const like = (name: string) => cluster.gitRepository(`git-${name}`, { url, secretRef: { name } })
    await cluster.apply(like('right'))
    await cluster.until('gitrepository/git-right', isReady(await repository.head()))
    const wrong = await refused('gitrepository/git-wrong', like('wrong'), 'AuthenticationFailed')
    expect(wrong.status?.artifact).toBeUndefined()
    const anonymous = cluster.gitRepository('git-anonymous', { url })
    expect((await refused('gitrepository/git-anonymous', anonymous)).status?.artifact).toBeUndefined()
    expect(isReady(await repository.head())(await cluster.reconcile('gitrepository/git-right'))).toBe(true)
  })

  it('F-SRC-27 HelmRepositories and their HelmCharts neither, though versions are kept in memory', async () => {
    charts.publish('shop', '1.0.0', { 'templates/a.yaml': configMap('shop') })
    const api = 'source.toolkit.fluxcd.io/v1'
    const repository = (name: string) => ({
      apiVersion: api,
      kind: 'HelmRepository',
      metadata: { name },
      spec: { url: charts.url, interval: '1h', secretRef: { name } },
    })
    const chart = (name: string) => ({
      apiVersion: api,
      kind: 'HelmChart',
      metadata: { name },
      spec: { chart: 'shop', version: '1.x', interval: '1h', sourceRef: { kind: 'HelmRepository', name } },
    })
    await cluster.apply(repository('right'), chart('right'))
    await cluster.until('helmchart/right', isReady())
    const wrong = await refused('helmrepository/wrong', repository('wrong'))
    expect(wrong.status?.artifact).toBeUndefined()
    await cluster.apply(chart('wrong'))
    const waiting = await cluster.until('helmchart/wrong', hasCondition('Ready', 'False'))
    expect(waiting.status?.artifact).toBeUndefined()

    // Who may no longer read it keeps what was read, and gets nothing new.
    charts.publish('shop', '1.1.0', { 'templates/a.yaml': configMap('shop-2') })
    await cluster.apply(chart('right'), secret('right', { ...right, password: 'wrong-password-0815' }))
    const left = await cluster.reconcile('helmrepository/right')
    expect(conditionOf(left, 'Ready')?.status).toBe('False')
    expect((await cluster.reconcile('helmchart/right')).status?.artifact?.revision).toBe('1.0.0')
  })
})

describe('two objects with the same registry', () => {
  it.each(['basic', 'token'] as const)(
    'F-SRC-27 (%s) an OCIRepository with the wrong login gets nothing of what another has pulled',
    async (login) => {
      await using registry = await startRegistry({ login })
      await pushArtifact(registry, 'apps/web', { files: { 'a.yaml': configMap('web') }, tags: ['latest'] })
      const wrong = { username: registryLogin.username, password: 'wrong-password-0815' }
      await cluster.apply(dockerConfigSecret(`${login}-right`, registry), dockerConfigSecret(`${login}-wrong`, registry, wrong))
      const like = (name: string, spec: object) => ({
        apiVersion: 'source.toolkit.fluxcd.io/v1',
        kind: 'OCIRepository',
        metadata: { name: `${login}-${name}` },
        spec: { url: registry.url('apps/web'), interval: '1h', ...spec },
      })
      const withLogin = (name: string) => like(name, { secretRef: { name: `${login}-${name}` } })
      await cluster.apply(withLogin('right'))
      await cluster.until(`ocirepository/${login}-right`, isReady())
      for (const manifest of [withLogin('wrong'), like('anonymous', {})]) {
        const failed = await refused(`ocirepository/${manifest.metadata.name}`, manifest)
        expect(failed.status?.artifact).toBeUndefined()
      }
      expect(isReady()(await cluster.reconcile(`ocirepository/${login}-right`))).toBe(true)
    },
  )
})

/** Applies a source that the server refuses; returns it as it is then. */
async function refused(ref: string, manifest: Parameters<Cluster['apply']>[0], reason?: string) {
  await cluster.apply(manifest)
  const failed = await cluster.until(ref, hasCondition('Ready', 'False', reason))
  expect(JSON.stringify(failed.status)).not.toContain('-password-')
  return failed
}
