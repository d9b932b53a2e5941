/** The real flux command on Sluice: artifacts of a registry, credentials, and what it makes for tenants. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { loadAll } from 'js-yaml'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { createAuthority } from '../tools/certificates.ts'
import { startChartServer } from '../tools/chart-server.ts'
import { blocksOf, type Flux, fluxOf, inMilliseconds } from '../tools/flux.ts'
import { temporaryDirectory } from '../tools/processes.ts'
import { pushArtifact } from '../tools/push.ts'
import { registryLogin, startRegistry, type TestRegistry } from '../tools/registry.ts'
import { type Cluster, hasCondition, openCluster } from './harness.ts'

const resources = new AsyncDisposableStack()
const login = { username: 'robot', password: 'a-secret-word' } as const
let cluster: Cluster
let flux: Flux
let registry: TestRegistry
let label: string

beforeAll(async () => {
  cluster = resources.use(await openCluster(inject('kubeconfig'), 'flux-oci', { git: { auth: login } }))
  await cluster.startSluice()
  registry = resources.use(await startRegistry())
  flux = await fluxOf(cluster)
  label = `--label=${Object.entries(cluster.labels).map((pair) => pair.join('='))}`
})

afterAll(() => resources.disposeAsync())

function settings(version: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {version: '${version}'}\n`
}

async function folderOf(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await temporaryDirectory('artifact')
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text)
  }
  return folder
}

describe('flux push, tag, list, pull and diff artifact', () => {
  const origin = { source: 'https://git.example.com/team/apps', revision: 'main@sha1:0123456789012345678901234567890123456789' }

  async function push(folder: string, tag: string): Promise<string> {
    const about = [`--source=${origin.source}`, `--revision=${origin.revision}`, '--output=json']
    const { digest } = JSON.parse(await flux('push', 'artifact', `${registry.url('apps')}:${tag}`, `--path=${folder}`, ...about))
    return digest
  }

  it('CLI-29 CLI-09 pushes what an OCIRepository fetches and a Kustomization applies', async () => {
    const first = await push(await folderOf({ 'deploy/settings.yaml': settings('1') }), 'v1.0.0')
    await flux('tag', 'artifact', `${registry.url('apps')}:v1.0.0`, '--tag=stable')
    const listed = await flux.rows('list', 'artifacts', registry.url('apps'))
    for (const tag of ['stable', 'v1.0.0'])
      expect(listed).toContainEqual({
        ARTIFACT: `${registry.host}/apps:${tag}`,
        DIGEST: first,
        SOURCE: origin.source,
        REVISION: origin.revision,
      })
    const source = await flux.said(
      ...['create', 'source', 'oci', 'apps', `--url=${registry.url('apps')}`, '--tag=stable', '--insecure', '--interval=1h', label],
    )
    expect(source).toContain(`✔ fetched revision: stable@${first}`)
    const how = [
      '--source=OCIRepository/apps',
      '--path=./deploy',
      '--prune',
      `--target-namespace=${cluster.namespace}`,
      '--interval=1h',
    ]
    expect(await flux.said('create', 'kustomization', 'apps', ...how, label)).toContain(`✔ applied revision stable@${first}`)
    expect((await cluster.get('configmap/settings')).data?.version).toBe('1')
  })

  it('CLI-15 CLI-23 shows the artifact, and where its content comes from', async () => {
    const [row] = await flux.rows('get', 'sources', 'oci', 'apps')
    expect(row).toMatchObject({ REVISION: expect.stringMatching(/^stable@sha256:[0-9a-f]{8}$/), READY: 'True' })
    expect(row?.MESSAGE).toMatch(/^stored artifact for digest 'stable@sha256:[0-9a-f]{8}'$/)
    expect(blocksOf(await flux('trace', 'configmap', 'settings'))).toEqual([
      expect.objectContaining({ Object: 'ConfigMap/settings' }),
      expect.objectContaining({ Kustomization: 'apps' }),
      expect.objectContaining({
        OCIRepository: 'apps',
        URL: registry.url('apps'),
        Tag: 'stable',
        'Origin Source': origin.source,
        'Origin Revision': origin.revision,
      }),
    ])
  })

  it('CLI-16 CLI-18 fetches another artifact of the tag when it is asked to, and not while it is suspended', async () => {
    const second = await push(await folderOf({ 'deploy/settings.yaml': settings('2') }), 'v1.1.0')
    await flux('tag', 'artifact', `${registry.url('apps')}:v1.1.0`, '--tag=stable')
    await flux('suspend', 'source', 'oci', 'apps')
    expect((await flux.tried('reconcile', 'source', 'oci', 'apps')).stderr).toContain('resource is suspended')
    expect(await flux.said('resume', 'source', 'oci', 'apps')).toContain(`✔ fetched revision stable@${second}`)
    expect(await flux.said('reconcile', 'source', 'oci', 'apps')).toContain(`✔ fetched revision stable@${second}`)
    expect(await flux.said('reconcile', 'kustomization', 'apps', '--with-source')).toContain(`✔ applied revision stable@${second}`)
    expect((await cluster.get('configmap/settings')).data?.version).toBe('2')
  })

  it('CLI-28 CLI-29 finds what was pushed in the registry again', async () => {
    const folder = await folderOf({ 'deploy/settings.yaml': settings('2') })
    const url = `${registry.url('apps')}:stable`
    expect(await flux.said('diff', 'artifact', url, `--path=${folder}`)).toContain('✔ no changes detected')
    await writeFile(join(folder, 'deploy/settings.yaml'), settings('3'))
    expect((await flux.tried('diff', 'artifact', url, `--path=${folder}`)).code).toBe(1)
    const output = await temporaryDirectory('pulled')
    expect(await flux.said('pull', 'artifact', url, `--output=${output}`)).toContain(`✔ revision ${origin.revision}`)
    expect(await readFile(join(output, 'deploy/settings.yaml'), 'utf8')).toBe(settings('2'))
    const file = join(output, 'artifact.tgz')
    expect(await flux.said('build', 'artifact', `--path=${folder}`, `--output=${file}`)).toContain('✔ artifact created')
    expect((await readFile(file)).subarray(0, 2)).toEqual(Buffer.from([0x1f, 0x8b]))
  })

  it('CLI-19 CLI-20 exports and deletes them', async () => {
    const [exported] = loadAll(await flux('export', 'source', 'oci', '--all')) as { spec: object }[]
    const live = (await cluster.get('ocirepository/apps')).spec
    expect(inMilliseconds(live)).toMatchObject(inMilliseconds(exported?.spec) as object)
    await flux('delete', 'kustomization', 'apps', '--silent')
    await cluster.untilGone('configmap/settings')
    await flux('delete', 'source', 'oci', 'apps', '--silent')
    await cluster.untilGone('ocirepository/apps')
  })
})

describe('flux create secret', () => {
  it('CLI-13 writes what a GitRepository logs in with', async () => {
    await cluster.repository('private', { 'a.yaml': settings('1') })
    const url = cluster.git.url('private')
    const about = [`--url=${url}`, '--branch=main', '--secret-ref=git', '--interval=1h', '--timeout=4s', label]
    const refused = await flux.tried('create', 'secret', 'git', 'git', `--url=${url}`, '--username=robot', '--password=wrong')
    expect(refused.code).toBe(0)
    expect((await flux.tried('create', 'source', 'git', 'private', ...about)).code).toBe(1)
    await cluster.until('gitrepository/private', hasCondition('Ready', 'False'))
    expect((await flux.rows('get', 'sources', 'git'))[0]).toMatchObject({
      READY: 'False',
      MESSAGE: expect.stringContaining('auth'),
    })
    await flux('create', 'secret', 'git', 'git', `--url=${url}`, `--username=${login.username}`, `--password=${login.password}`)
    expect(await flux.said('reconcile', 'source', 'git', 'private')).toContain('✔ fetched revision main@sha1:')
    const exported = await flux('export', 'source', 'git', 'private', '--with-credentials')
    expect(loadAll(exported)).toContainEqual(
      expect.objectContaining({ kind: 'Secret', data: { username: btoa(login.username), password: btoa(login.password) } }),
    )
  })

  it('CLI-09 CLI-13 writes it together with the source', async () => {
    const made = await flux.said(
      ...['create', 'source', 'git', 'private', `--url=${cluster.git.url('private')}`, '--branch=main', '--interval=1h', label],
      ...[`--username=${login.username}`, `--password=${login.password}`],
    )
    expect(made).toContain('✔ authentication configured')
    expect(made).toContain('✔ fetched revision: main@sha1:')
    expect((await cluster.get('gitrepository/private')).spec?.secretRef).toEqual({ name: 'private' })
  })

  it('CLI-13 oci: what an OCIRepository logs in with', async () => {
    await using guarded = await startRegistry({ login: 'basic' })
    await pushArtifact(guarded, 'apps', { files: { 'a.yaml': settings('1') }, tags: ['v1'] })
    const { username, password } = registryLogin
    await flux('create', 'secret', 'oci', 'registry', `--url=${guarded.host}`, `--username=${username}`, `--password=${password}`)
    const source = [`--url=${guarded.url('apps')}`, '--tag=v1', '--insecure', '--secret-ref=registry', '--interval=1h', label]
    expect(await flux.said('create', 'source', 'oci', 'guarded', ...source)).toContain('✔ fetched revision: v1@sha256:')
  })

  it('CLI-09 CLI-13 helm: what a HelmRepository logs in with, and the authority that it trusts', async () => {
    const authority = await createAuthority()
    await using charts = await startChartServer({ auth: login, tls: await authority.server() })
    charts.publish('shop', '1.0.0')
    const ca = join(await folderOf({ 'ca.crt': authority.ca }), 'ca.crt')
    const about = [`--username=${login.username}`, `--password=${login.password}`, `--ca-file=${ca}`, '--interval=1h', label]
    const made = await flux.said('create', 'source', 'helm', 'guarded', `--url=${charts.url}`, ...about)
    expect(made).toContain(`✔ fetched revision: ${charts.revision()}`)
  })

  it('CLI-13 tls: the authority that an OCIRepository trusts', async () => {
    const authority = await createAuthority()
    await using guarded = await startRegistry({ tls: await authority.server() })
    await pushArtifact(guarded, 'apps', { files: { 'a.yaml': settings('1') }, tags: ['v1'] })
    const ca = join(await folderOf({ 'ca.crt': authority.ca }), 'ca.crt')
    await flux('create', 'secret', 'tls', 'ca', `--ca-crt-file=${ca}`)
    const source = [`--url=${guarded.url('apps')}`, '--tag=v1', '--cert-ref=ca', '--interval=1h', label]
    expect(await flux.said('create', 'source', 'oci', 'secure', ...source)).toContain('✔ fetched revision: v1@sha256:')
  })
})

describe('flux create tenant', () => {
  it('CLI-14 makes a namespace and an account, as which a Kustomization applies', async () => {
    const tenant = `${cluster.namespace}-team`
    await flux('create', 'tenant', 'team', `--with-namespace=${tenant}`)
    const here = ['--namespace', tenant]
    expect((await cluster.get('serviceaccount/team', { namespace: tenant })).metadata.labels).toEqual({
      'toolkit.fluxcd.io/tenant': 'team',
    })
    await flux(
      'create',
      'secret',
      'git',
      'private',
      `--url=${cluster.git.url('private')}`,
      `--username=${login.username}`,
      `--password=${login.password}`,
      ...here,
    )
    const source = [`--url=${cluster.git.url('private')}`, '--branch=main', '--secret-ref=private', '--interval=1h', label, ...here]
    await flux('create', 'source', 'git', 'private', ...source)
    const how = ['--source=GitRepository/private', '--path=./', '--prune', '--service-account=team', `--target-namespace=${tenant}`]
    expect(await flux.said('create', 'kustomization', 'own', ...how, '--interval=1h', label, ...here)).toContain(
      '✔ applied revision',
    )
    const foreign = await flux.tried(
      ...[
        'create',
        'kustomization',
        'foreign',
        ...how.slice(0, -1),
        `--target-namespace=${cluster.namespace}`,
        label,
        ...here,
        '--timeout=5s',
      ],
    )
    expect(foreign.code).toBe(1)
    await cluster.until('kustomization/foreign', hasCondition('Ready', 'False'), { namespace: tenant })
    const [row] = await flux.rows('get', 'kustomization', 'foreign', ...here)
    expect(row?.MESSAGE).toContain(`User "system:serviceaccount:${tenant}:team" cannot`)
  })

  it('CLI-10 CLI-22 lists the events of a source in another namespace with those of its Kustomization', async () => {
    const tenant = `${cluster.namespace}-team`
    const here = ['--namespace', tenant]
    const source = `GitRepository/private.${cluster.namespace}`
    const how = [`--source=${source}`, '--prune', `--target-namespace=${tenant}`, '--interval=1h', label, ...here]
    expect(await flux.said('create', 'kustomization', 'across', ...how)).toContain('✔ applied revision')
    const events = () => flux.rows('events', '--for', 'Kustomization/across', ...here)
    const seen = async () => (await events()).map(({ NAMESPACE, REASON, OBJECT }) => `${NAMESPACE} ${REASON} ${OBJECT}`)
    await expect.poll(seen).toContain(`${tenant} ReconciliationSucceeded Kustomization/across`)
    expect(await seen()).toContain(`${cluster.namespace} NewArtifact GitRepository/private`)
  })
})
