/** Artifacts that another program makes, serves and tells of, as sources of Kustomizations and HelmReleases. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { ArtifactMaker } from '../tools/artifact-maker.ts'
import { type ChartServer, startChartServer } from '../tools/chart-server.ts'
import { archiveOf } from '../tools/tar.ts'
import { type Cluster, hasCondition, isReady, type Live, type Manifest, openCluster } from './harness.ts'

let cluster: Cluster
let maker: ArtifactMaker
let charts: ChartServer

const flags = { 'feature-gates': 'ExternalArtifact=true', 'min-retry-delay': '200ms', 'requeue-dependency': '1h' }

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'external')
  ;[maker, charts] = await Promise.all([ArtifactMaker.start(cluster), startChartServer()])
  await cluster.startSluice({ flags })
}, 90_000)

afterAll(async () => {
  await maker?.[Symbol.asyncDispose]()
  await charts?.[Symbol.asyncDispose]()
  await cluster?.[Symbol.asyncDispose]()
})

function configMap(name: string, text: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name} }\ndata: { text: ${text} }\n`
}

/** An archive of manifests, each in a file of its own. */
function manifests(texts: Readonly<Record<string, string>>): Buffer {
  return archiveOf(Object.entries(texts).map(([name, text]) => ({ path: `${name}.yaml`, text: configMap(name, text) })))
}

function kustomization(name: string, spec: Readonly<Record<string, unknown>> = {}): Manifest {
  const { namespace: targetNamespace } = cluster
  return cluster.kustomization(name, { sourceRef: { kind: 'ExternalArtifact', name }, targetNamespace, interval: '1h', ...spec })
}

function release(name: string, spec: object = {}): Manifest {
  return {
    apiVersion: 'helm.toolkit.fluxcd.io/v2',
    kind: 'HelmRelease',
    metadata: { name },
    spec: { interval: '1h', chartRef: { kind: 'ExternalArtifact', name }, ...spec },
  }
}

const applied =
  (revision: string) =>
  ({ status }: Live): boolean =>
    status?.lastAppliedRevision === revision

const textOf = async (name: string) => ((await cluster.get(`configmap/${name}`)) as { data?: { text?: string } }).data?.text

describe('a Kustomization', () => {
  it('SRC-EXT-01 KUS-BLD-12 applies what the status of an ExternalArtifact tells of, and each new artifact at once', async () => {
    await maker.announce('apps')
    await cluster.apply(kustomization('apps'))
    const waiting = await cluster.until('kustomization/apps', hasCondition('Ready', 'False', 'ArtifactFailed'))
    expect(JSON.stringify(waiting.status)).toContain('Source artifact not found, retrying in 1h0m0s')

    const metadata = { 'org.opencontainers.image.revision': 'main@sha1:0123' }
    await maker.publish('apps', { revision: 'build/1', content: manifests({ one: 'first', two: 'first' }), status: { metadata } })
    const first = await cluster.until('kustomization/apps', isReady('build/1'))
    expect(first.status).toMatchObject({ lastAppliedRevision: 'build/1', lastAppliedOriginRevision: 'main@sha1:0123' })
    expect(await textOf('one')).toBe('first')

    await maker.publish('apps', { revision: 'build/2', content: manifests({ one: 'second' }) })
    await cluster.until('kustomization/apps', applied('build/2'))
    expect(await textOf('one')).toBe('second')
    await cluster.untilGone('configmap/two')
  })

  it('SRC-EXT-01 takes other content under the same revision too', async () => {
    await maker.publish('same', { revision: 'latest', content: manifests({ same: 'first' }) })
    await cluster.apply(kustomization('same'))
    await cluster.until('kustomization/same', isReady('latest'))
    await maker.publish('same', { revision: 'latest', content: manifests({ same: 'second' }) })
    await cluster.until('configmap/same', (object) => (object as { data?: { text?: string } }).data?.text === 'second')
  })

  it('SRC-EXT-01 F-ART-05 applies nothing that does not have the digest of the status', async () => {
    const path = await maker.publish('forged', { revision: 'v1', content: manifests({ forged: 'right' }) })
    const right = manifests({ forged: 'right' })
    maker.answer(path, (response) => response.end(manifests({ forged: 'wrong' })))
    await cluster.apply(kustomization('forged', { retryInterval: '1s' }))
    const failed = await cluster.until('kustomization/forged', hasCondition('Ready', 'False', 'ArtifactFailed'))
    expect(JSON.stringify(failed.status)).toContain('does not have the digest')
    expect(await cluster.kubectl('get', 'configmap', '--output', 'name', '--namespace', cluster.namespace)).not.toContain('forged')
    maker.answer(path, (response) => response.end(right))
    await cluster.until('kustomization/forged', isReady('v1'))
    expect(await textOf('forged')).toBe('right')
  })
})

describe('an ExternalArtifact that means harm', () => {
  const zeros = `sha256:${'0'.repeat(64)}`
  const hostile: readonly (readonly [string, Readonly<Record<string, unknown>>, string])[] = [
    ['file', { url: 'file:///etc/passwd' }, 'is not an HTTP address'],
    ['path', { path: '../../../../etc/passwd', digest: zeros }, 'does not have the digest'],
    ['digest', { digest: 'blake3:00' }, 'is not one of sha1, sha256, sha384, sha512'],
    ['size', { size: 10 }, 'larger than 10 bytes'],
    ['nobody', { url: 'http://127.0.0.1:1/x?signature=hunter2' }, 'failed to download http://127.0.0.1:1/x: '],
  ]

  it.each(hostile)('SRC-EXT-01 fails the Kustomization that names it, with a reason: %s', async (name, status, why) => {
    await maker.publish(name, { revision: 'v1', content: manifests({ [name]: 'x' }), status })
    await cluster.apply(kustomization(name))
    const failed = await cluster.until(`kustomization/${name}`, hasCondition('Ready', 'False', 'ArtifactFailed', why))
    expect(JSON.stringify(failed.status)).not.toContain('hunter2')
  })
})

describe('a HelmRelease', () => {
  const chart = (version: string, text: string) =>
    Buffer.from(charts.publish('shop', version, { 'templates/shop.yaml': configMap('{{ .Release.Name }}', text) }).archive)

  it('SRC-EXT-01 HLM-CHT-02 is installed from an ExternalArtifact, and upgraded when it has another version or digest', async () => {
    await cluster.apply(release('shop'))
    const missing = await cluster.until('helmrelease/shop', hasCondition('Ready', 'False', 'ArtifactFailed'))
    expect(JSON.stringify(missing.status)).toContain('externalartifacts.source.toolkit.fluxcd.io')
    await maker.publish('shop', { revision: '1.0.0', content: chart('1.0.0', 'first') })
    const installed = await cluster.until('helmrelease/shop', isReady())
    expect(installed.status).toMatchObject({ lastAttemptedRevision: '1.0.0', history: [{ version: 1, chartVersion: '1.0.0' }] })
    expect(await textOf('shop')).toBe('first')

    await maker.publish('shop', { revision: '1.1.0', content: chart('1.1.0', 'second') })
    await cluster.until('helmrelease/shop', (hr) => hr.status?.lastAttemptedRevision === '1.1.0' && isReady()(hr))
    expect(await textOf('shop')).toBe('second')

    const digest = `sha256:${'ab'.repeat(32)}`
    await maker.publish('shop', { revision: digest, content: chart('1.1.0', 'third') })
    const upgraded = await cluster.until(
      'helmrelease/shop',
      (hr) => hr.status?.lastAttemptedRevisionDigest === digest && isReady()(hr),
    )
    expect(upgraded.status?.lastAttemptedRevision).toBe('1.1.0+abababababab')
    const [latest] = (upgraded.status?.history ?? []) as readonly object[]
    expect(latest).toMatchObject({ version: 3, ociDigest: digest })
    expect(await textOf('shop')).toBe('third')
  })
})

it('SRC-EXT-02 an ExternalArtifact of somebody else is refused without the gate, and nothing of it is asked for', async () => {
  await using gated = await openCluster(inject('kubeconfig'), 'external-off')
  await using others = await ArtifactMaker.start(gated)
  await others.publish('apps', { revision: 'v1', content: manifests({ off: 'x' }) })
  await gated.startSluice()
  await gated.apply(kustomization('apps'), release('apps'))
  for (const ref of ['kustomization/apps', 'helmrelease/apps']) {
    const stalled = await gated.until(ref, hasCondition('Stalled', 'True', 'AccessDenied'))
    const message = `can't access 'ExternalArtifact/${gated.namespace}/apps', ExternalArtifact feature gate is disabled`
    expect(JSON.stringify(stalled.status)).toContain(message)
  }
  expect(others.requests).toEqual([])
})
