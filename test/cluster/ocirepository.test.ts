/** Sources out of registries and what is made of them, as users with kubectl, flux and helm see them. */
import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { kstatusOf } from '../tools/kstatus.ts'
import { run } from '../tools/processes.ts'
import { helmContent, pushArtifact, tagImage } from '../tools/push.ts'
import { dockerConfigSecret, registryLogin, startRegistry, type TestRegistry } from '../tools/registry.ts'
import { findTool } from '../tools/tools.ts'
import { chartFolder, helm } from './charts.ts'
import { type Cluster, conditionOf, hasCondition, isReady, type Live, type Manifest, openCluster, type Sluice } from './harness.ts'

let cluster: Cluster
let registry: TestRegistry
let sluice: Sluice

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'oci')
  registry = await startRegistry({ login: 'basic' })
  sluice = await cluster.startSluice({ flags: { 'min-retry-delay': '10m' } })
  await cluster.kubectl.apply(dockerConfigSecret('login', registry))
})
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  await registry?.[Symbol.asyncDispose]()
})

const configMap = (name: string, text: string) => `apiVersion: v1
kind: ConfigMap
metadata:
  name: ${name}
data: {text: ${text}}
`

function ociRepository(name: string, spec: Readonly<Record<string, unknown>> = {}): Manifest {
  return {
    apiVersion: 'source.toolkit.fluxcd.io/v1',
    kind: 'OCIRepository',
    metadata: { name },
    spec: { url: registry.url(`apps/${name}`), interval: '1h', secretRef: { name: 'login' }, ...spec },
  }
}

function kustomization(name: string, spec: Readonly<Record<string, unknown>> = {}): Manifest {
  const { namespace: targetNamespace } = cluster
  return cluster.kustomization(name, { sourceRef: { kind: 'OCIRepository', name }, targetNamespace, ...spec })
}

const patch = (ref: string, change: object) => cluster.kubectl('patch', ref, '--type=merge', '-p', JSON.stringify(change))
const textOf = async (name: string) => (await cluster.get(`configmap/${name}`)).data

interface RecordedEvent {
  readonly reason: string
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> }
}

async function annotationsOf(name: string, reason: string): Promise<Readonly<Record<string, string>> | undefined> {
  const selector = `--field-selector=involvedObject.name=${name},reason=${reason}`
  const { items } = await cluster.kubectl.json<{ items: RecordedEvent[] }>('get', 'events', selector)
  return items.at(-1)?.metadata.annotations
}

describe('an OCIRepository', () => {
  it('SRC-OCI-01 SRC-OCI-04 SRC-OCI-05 is ready with an archive that everybody in the cluster can read', async () => {
    const revision = 'main@sha1:0123456789abcdef0123456789abcdef01234567'
    const files = { 'cm.yaml': configMap('stored', 'one') }
    const digest = await pushArtifact(registry, 'apps/stored', {
      files,
      tags: ['latest'],
      source: 'https://git.example/x',
      revision,
    })
    await cluster.apply(ociRepository('stored'))
    const object = await cluster.until('ocirepository/stored', isReady(`latest@${digest}`))
    expect(object.metadata.finalizers).toEqual(['finalizers.fluxcd.io'])
    const message = `stored artifact for digest 'latest@${digest}'`
    expect(object.status?.conditions?.map(({ type, status, reason, message }) => [type, status, reason, message])).toEqual([
      ['Ready', 'True', 'Succeeded', message],
      ['ArtifactInStorage', 'True', 'Succeeded', message],
    ])
    expect(kstatusOf(object).status).toBe('Current')
    const { artifact, url } = object.status ?? {}
    expect(artifact).toMatchObject({ metadata: { 'org.opencontainers.image.revision': revision } })
    for (const address of [artifact?.url, url]) {
      const body = Buffer.from(await (await fetch(String(address))).arrayBuffer())
      expect(`sha256:${createHash('sha256').update(body).digest('hex')}`).toBe(artifact?.digest)
    }
    expect(url).toMatch(new RegExp(`/ocirepository/${cluster.namespace}/stored/latest.tar.gz$`))
    const [event] = await cluster.events('ocirepository/stored')
    expect(event).toMatchObject({
      type: 'Normal',
      reason: 'NewArtifact',
      message: `stored artifact with revision 'latest@${digest}' from '${registry.url('apps/stored')}', origin source 'https://git.example/x', origin revision '${revision}'`,
    })
    expect(await annotationsOf('stored', 'NewArtifact')).toMatchObject({
      'source.toolkit.fluxcd.io/revision': `latest@${digest}`,
      'source.toolkit.fluxcd.io/digest': artifact?.digest,
    })
  })

  it('SRC-OCI-16 pulls nothing on a run that finds the same digest', async () => {
    await pushArtifact(registry, 'apps/same', { files: { 'cm.yaml': configMap('same', 'one') }, tags: ['latest'] })
    await cluster.apply(ociRepository('same'))
    const before = await cluster.until('ocirepository/same', isReady())
    const downloads = registry.downloads()
    const after = await cluster.reconcile('ocirepository/same')
    expect(registry.downloads()).toBe(downloads)
    expect(after.status?.artifact).toEqual(before.status?.artifact)
  })

  it('SRC-OCI-06 logs in with the image pull secrets of a service account', async () => {
    const digest = await pushArtifact(registry, 'apps/account', { files: { 'cm.yaml': configMap('a', 'b') }, tags: ['latest'] })
    await cluster.kubectl.apply({
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'puller' },
      imagePullSecrets: [{ name: 'login' }],
    })
    await cluster.apply(ociRepository('account', { secretRef: undefined, serviceAccountName: 'puller' }))
    await cluster.until('ocirepository/account', isReady(`latest@${digest}`))
  })

  it('API-14 tries again at once when a labelled Secret brings the login', async () => {
    const digest = await pushArtifact(registry, 'apps/late', { files: { 'cm.yaml': configMap('a', 'b') }, tags: ['latest'] })
    await cluster.apply(ociRepository('late', { secretRef: { name: 'late' } }))
    const failed = await cluster.until('ocirepository/late', hasCondition('Ready', 'False', 'AuthenticationFailed'))
    expect(conditionOf(failed, 'Ready')?.message).toContain(`failed to get secret '${cluster.namespace}/late'`)
    const secret = dockerConfigSecret('late', registry)
    const labels = { 'reconcile.fluxcd.io/watch': 'Enabled' }
    await cluster.kubectl.apply({ ...secret, metadata: { ...secret.metadata, labels } })
    await cluster.until('ocirepository/late', isReady(`latest@${digest}`))
  })

  it('stalls with the name of a field that is not built yet, and with an address that cannot work', async () => {
    await cluster.apply(
      ociRepository('signed', { verify: { provider: 'cosign' } }),
      ociRepository('cloud', { provider: 'aws', secretRef: undefined }),
    )
    for (const [name, field] of [
      ['signed', 'spec.verify'],
      ['cloud', 'spec.provider'],
    ]) {
      const object = await cluster.until(`ocirepository/${name}`, hasCondition('Stalled', 'True', 'UnsupportedField'))
      expect(conditionOf(object, 'Ready')?.message).toContain(`${field} is not implemented`)
    }
    await cluster.apply(ociRepository('tagged', { url: `${registry.url('apps/tagged')}:v1` }))
    const object = await cluster.until('ocirepository/tagged', hasCondition('Stalled', 'True', 'URLInvalid'))
    expect(conditionOf(object, 'FetchFailed')).toMatchObject({ status: 'True', reason: 'URLInvalid' })
    expect(kstatusOf(object).status).toBe('Failed')
  })

  it('shows no login in its status, its events or the log', async () => {
    await cluster.kubectl.apply(dockerConfigSecret('wrong', registry, { username: 'deploy', password: 'wrong-s3cret' }))
    await cluster.apply(ociRepository('refused', { secretRef: { name: 'wrong' } }))
    const object = await cluster.until('ocirepository/refused', hasCondition('Ready', 'False', 'OCIArtifactPullFailed'))
    const said = JSON.stringify([object, await cluster.events('ocirepository/refused'), sluice.logs])
    expect(said).not.toContain('s3cret')
    expect(said).not.toContain(Buffer.from('deploy:wrong-s3cret').toString('base64'))
  })
})

describe('a Kustomization of an OCIRepository', () => {
  it('KUS-BLD-12 KUS-REC-05 is applied, and follows the tag, with the revision that the artifact was made of', async () => {
    const push = (text: string, revision: string) =>
      pushArtifact(registry, 'apps/web', { files: { 'cm.yaml': configMap('web', text) }, tags: ['v1'], revision, source: 'x' })
    const first = await push('one', 'main@sha1:01')
    await cluster.apply(ociRepository('web', { ref: { tag: 'v1' } }), kustomization('web'))
    const before = await cluster.until('kustomization/web', isReady(`v1@${first}`))
    expect(before.status).toMatchObject({ lastAppliedRevision: `v1@${first}`, lastAppliedOriginRevision: 'main@sha1:01' })
    expect(await textOf('web')).toEqual({ text: 'one' })

    const second = await push('two', 'main@sha1:02')
    await cluster.reconcile('ocirepository/web')
    const after = await cluster.until('kustomization/web', isReady(`v1@${second}`))
    expect(after.status).toMatchObject({ lastAppliedOriginRevision: 'main@sha1:02' })
    expect(await textOf('web')).toEqual({ text: 'two' })
    expect(await annotationsOf('web', 'ReconciliationSucceeded')).toMatchObject({
      'kustomize.toolkit.fluxcd.io/revision': `v1@${second}`,
      'kustomize.toolkit.fluxcd.io/originRevision': 'main@sha1:02',
    })
  })

  it('KUS-BLD-12 waits for a source that is not there, and goes on when it comes', async () => {
    await cluster.apply(kustomization('eager'))
    const waiting = await cluster.until('kustomization/eager', hasCondition('Ready', 'False', 'ArtifactFailed'))
    expect(conditionOf(waiting, 'Ready')?.message).toBe('OCIRepository.source.toolkit.fluxcd.io "eager" not found')
    await pushArtifact(registry, 'apps/eager', { files: { 'cm.yaml': configMap('eager', 'x') }, tags: ['latest'] })
    await cluster.apply(ociRepository('eager'))
    await cluster.until('kustomization/eager', isReady())
  })
})

describe('a HelmRelease of an OCIRepository', () => {
  it.each(['copy', 'extract'])(
    'HLM-CHT-02 HLM-CHT-05 installs what the real helm has pushed, and upgrades to other content of the same version: %s',
    async (operation) => {
      const name = `shop-${operation}`
      const url = registry.url(`charts-${operation}/shop`)
      const layerSelector = { mediaType: helmContent, operation }
      await push(`charts-${operation}`, 'one')
      await cluster.apply(
        ociRepository(name, { url, ref: { semver: '>=1.0.0' }, layerSelector }),
        release(name, { kind: 'OCIRepository', name }),
      )
      const first = newest(await cluster.until(`hr/${name}`, isReady()))
      expect(first.chartVersion).toBe(`1.2.0+${first.ociDigest.replace('sha256:', '').slice(0, 12)}`)
      expect(await textOf(name)).toEqual({ text: 'one' })

      await push(`charts-${operation}`, 'two')
      await cluster.reconcile(`ocirepository/${name}`)
      const isUpgraded = (hr: Live) => isReady()(hr) && hr.status?.lastAttemptedReleaseAction === 'upgrade'
      const second = newest(await cluster.until(`hr/${name}`, isUpgraded))
      expect(await textOf(name)).toEqual({ text: 'two' })
      expect(second.chartVersion).toMatch(/^1\.2\.0\+[0-9a-f]{12}$/)
      expect(second.ociDigest).not.toBe(first.ociDigest)
      const listed = JSON.parse(await helm(cluster, 'list', '--filter', name, '-o', 'json')) as object[]
      expect(listed).toMatchObject([{ name, chart: `shop-${second.chartVersion}`, status: 'deployed' }])
    },
  )

  function newest({ status }: Live): { readonly chartVersion: string; readonly ociDigest: string } {
    const [snapshot] = (status?.history ?? []) as { chartVersion: string; ociDigest: string }[]
    return snapshot ?? expect.fail('it has no history')
  }

  async function push(repository: string, text: string): Promise<void> {
    const folder = await chartFolder('1.2.0', { 'templates/cm.yaml': configMap('{{ .Release.Name }}', text) })
    const tool = await findTool('helm', () => {})
    const parent = dirname(folder)
    await run(tool, ['package', folder, '--destination', parent])
    const { username, password } = registryLogin
    const login = ['--username', username, '--password', password, '--plain-http']
    await run(tool, ['push', join(parent, 'shop-1.2.0.tgz'), registry.url(repository), ...login])
  }

  function release(name: string, chartRef: object): Manifest {
    return {
      apiVersion: 'helm.toolkit.fluxcd.io/v2',
      kind: 'HelmRelease',
      metadata: { name },
      spec: { chartRef, interval: '1h' },
    }
  }
})

it('SRC-OCI-02 follows a range as tags are added', async () => {
  const digest = await pushArtifact(registry, 'apps/range', { files: { 'cm.yaml': configMap('range', 'x') }, tags: ['1.0.0'] })
  await cluster.apply(ociRepository('range', { ref: { semver: '1.x', semverFilter: '^1\\.\\d+\\.\\d+$' } }))
  await cluster.until('ocirepository/range', isReady(`1.0.0@${digest}`))
  for (const tag of ['1.1.0', '1.2.0-rc.1', '2.0.0']) await tagImage(registry, 'apps/range', digest, tag)
  await patch('ocirepository/range', { spec: { interval: '2h' } })
  await cluster.until('ocirepository/range', isReady(`1.1.0@${digest}`))
})
