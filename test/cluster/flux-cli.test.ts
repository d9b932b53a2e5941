/** The real flux command on Sluice: Git sources and Kustomizations, from `flux create` to `flux delete`. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { loadAll } from 'js-yaml'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { blocksOf, type Flux, fluxOf, inMilliseconds } from '../tools/flux.ts'
import { run, temporaryDirectory } from '../tools/processes.ts'
import type { Repository } from '../tools/repository.ts'
import { findTool } from '../tools/tools.ts'
import { type Cluster, hasCondition, isReady, type Live, openCluster, type Sluice } from './harness.ts'

let cluster: Cluster
let sluice: Sluice
let flux: Flux
let fleet: Repository
/** A clone of `fleet`, as a person has it. */
let folder: string
/** `--label=…`, by which this test's Sluice knows its objects. */
let label: string

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'flux-cli')
  sluice = await cluster.startSluice()
  flux = await fluxOf(cluster)
  label = `--label=${Object.entries(cluster.labels).map((pair) => pair.join('='))}`
  fleet = await cluster.repository('fleet', fleetFiles())
  folder = join(await temporaryDirectory('clone'), 'fleet')
  await run('git', ['clone', '--quiet', fleet.directory, folder])
})

afterAll(() => cluster?.[Symbol.asyncDispose]())

/** A root that makes the variables and the child that reads them. */
function fleetFiles(): Record<string, string> {
  const { kind, apiVersion, spec } = cluster.kustomization('fleet', {
    path: './child',
    targetNamespace: cluster.namespace,
    interval: '1h',
    postBuild: { substitute: { greeting: 'hello' }, substituteFrom: [{ kind: 'ConfigMap', name: 'variables' }] },
  })
  const metadata = { name: 'child', namespace: cluster.namespace, labels: cluster.labels }
  return {
    'root/child.yaml': JSON.stringify({ apiVersion, kind, metadata, spec }),
    'root/variables.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: variables}\ndata: {place: world}\n',
    'child/greeting.yaml': greeting('1'),
    'child/web.yaml':
      'apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{name: http, port: 80}]}\n',
    'child/role.yaml':
      "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: 'app:reader'}\nrules: [{apiGroups: [''], resources: [configmaps], verbs: [get]}]\n",
  }
}

function greeting(version: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: greeting}\ndata: {text: '\${greeting} \${place}', version: '${version}'}\n`
}

async function revision(): Promise<string> {
  return `main@sha1:${await fleet.head()}`
}

/** As tables show it. */
async function short(): Promise<string> {
  return (await revision()).slice(0, 'main@sha1:'.length + 8)
}

describe('flux create', () => {
  it('CLI-09 CLI-10 makes a GitRepository and a Kustomization, and waits until they are ready', async () => {
    const source = await flux.said(
      ...['create', 'source', 'git', 'fleet', `--url=${cluster.git.url('fleet')}`, '--branch=main', '--interval=1h', label],
    )
    expect(source).toContain('✔ GitRepository source reconciliation completed')
    expect(source).toContain(`✔ fetched revision: ${await revision()}`)
    const target = ['--path=./root', '--prune', '--wait', `--target-namespace=${cluster.namespace}`, '--interval=1h', label]
    const root = await flux.said('create', 'kustomization', 'root', '--source=GitRepository/fleet', ...target)
    expect(root).toContain('✔ Kustomization root is ready')
    expect(root).toContain(`✔ applied revision ${await revision()}`)
    // `--wait`: the child is ready too.
    expect(isReady()(await cluster.get('kustomization/child'))).toBe(true)
    expect((await cluster.get('configmap/greeting')).data).toEqual({ text: 'hello world', version: '1' })
  })

  it('CLI-09 CLI-10 changes what is there, and waits until that was seen', async () => {
    const source = [`--url=${cluster.git.url('fleet')}`, '--branch=main', '--interval=30m', label]
    const changed = await flux.said('create', 'source', 'git', 'fleet', ...source)
    expect(changed).toContain('✔ GitRepository source updated')
    expect(changed).toContain(`✔ fetched revision: ${await revision()}`)
    const root = [
      '--source=fleet',
      '--path=./root',
      '--prune',
      '--wait',
      `--target-namespace=${cluster.namespace}`,
      '--interval=30m',
    ]
    const updated = await flux.said('create', 'kustomization', 'root', ...root, label)
    expect(updated).toContain('✔ Kustomization updated')
    expect(updated).toContain(`✔ applied revision ${await revision()}`)
    for (const ref of ['gitrepository/fleet', 'kustomization/root'])
      expect((await cluster.get(ref)).status).toMatchObject({ observedGeneration: 2 })
  })

  it('CLI-09 fails with the reason when the source cannot be fetched, or the Kustomization not be built', async () => {
    const short = ['--interval=1h', '--timeout=4s', label]
    const source = ['source', 'git', 'gone', `--url=${cluster.git.url('gone')}`, '--branch=main']
    const nowhere = ['kustomization', 'nowhere', '--source=GitRepository/fleet', '--path=./nowhere']
    const tried = await Promise.all([source, nowhere].map((args) => flux.tried('create', ...args, ...short)))
    expect(tried.map(({ code }) => code)).toEqual([1, 1])
    for (const ref of ['gitrepository/gone', 'kustomization/nowhere']) await cluster.until(ref, hasCondition('Ready', 'False'))
    const [row] = await flux.rows('get', 'source', 'git', 'gone')
    expect(row).toMatchObject({ READY: 'False', MESSAGE: expect.stringMatching(/^failed to checkout and determine revision: /) })
    const [unbuilt] = await flux.rows('get', 'ks', 'nowhere')
    expect(unbuilt).toMatchObject({ READY: 'False', MESSAGE: expect.stringMatching(/^kustomization path not found: /) })
  })
})

describe('flux get and flux stats', () => {
  it('CLI-15 shows sources and Kustomizations with their revisions, by name, in all namespaces, and as all that there is', async () => {
    const rest = { REVISION: await short(), SUSPENDED: 'False', READY: 'True' }
    const stored = `stored artifact for revision '${await short()}'`
    const applied = `Applied revision: ${await short()}`
    expect(await flux.rows('get', 'sources', 'git', 'fleet')).toEqual([{ NAME: 'fleet', ...rest, MESSAGE: stored }])
    expect(await flux.rows('get', 'kustomizations', 'child')).toEqual([{ NAME: 'child', ...rest, MESSAGE: applied }])
    const everywhere = await flux.rows('get', 'ks', '-A', '--show-source')
    const source = `GitRepository/${cluster.namespace}/fleet`
    expect(everywhere).toContainEqual({ NAMESPACE: cluster.namespace, NAME: 'child', SOURCE: source, ...rest, MESSAGE: applied })
    const all = await flux('get', 'all', '-A')
    for (const name of ['gitrepository/fleet', 'kustomization/root', 'kustomization/child']) expect(all).toContain(`\t${name}`)
    expect(await flux('get', 'sources', 'all')).toContain('gitrepository/fleet')
  })

  it('CLI-15 selects by status and by label', async () => {
    const names = async (...how: string[]) => (await flux.rows('get', 'kustomizations', ...how)).map(({ NAME }) => NAME)
    expect(await names('--status-selector', 'ready=true')).toEqual(['child', 'root'])
    expect(await names('--status-selector', 'ready=false')).toEqual(['nowhere'])
    expect(await names('--status-selector', 'ready!=true')).toEqual(['nowhere'])
    expect(await names('--label-selector', `kustomize.toolkit.fluxcd.io/name=root`)).toEqual(['child'])
    const none = await flux.tried('get', 'kustomization', 'nobody')
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining("Kustomization object 'nobody' not found")])
  })

  it('CLI-25 counts what runs and what fails, and how much is stored', async () => {
    const rows = new Map((await flux.rows('stats')).map((row) => [row.RECONCILERS, row]))
    expect(rows.get('Kustomization')).toMatchObject({ RUNNING: '3', FAILING: '1', SUSPENDED: '0', STORAGE: '-' })
    expect(rows.get('GitRepository')).toMatchObject({
      RUNNING: '2',
      FAILING: '1',
      STORAGE: expect.stringMatching(/^\d.* (B|KiB)$/),
    })
  })
})

describe('flux tree, trace, events and debug', () => {
  it('CLI-24 draws a Kustomization with what it and its children manage', async () => {
    const { namespace } = cluster
    const tree = await flux('tree', 'kustomization', 'root')
    expect(tree.trimEnd().split('\n')).toEqual([
      `Kustomization/${namespace}/root`,
      `├── ConfigMap/${namespace}/variables`,
      `└── Kustomization/${namespace}/child`,
      `    ├── Role/${namespace}/app:reader`,
      `    ├── ConfigMap/${namespace}/greeting`,
      `    └── Service/${namespace}/web`,
    ])
    const compact = await flux('tree', 'kustomization', 'root', '--compact')
    expect(compact.trimEnd().split('\n')).toEqual([`Kustomization/${namespace}/root`, `└── Kustomization/${namespace}/child`])
  })

  it('CLI-23 traces an object to its Kustomization and on to its source', async () => {
    const trace = blocksOf(await flux('trace', 'configmap', 'greeting'))
    expect(trace).toEqual([
      { Object: 'ConfigMap/greeting', Namespace: cluster.namespace, Status: 'Managed by Flux' },
      expect.objectContaining({
        Kustomization: 'child',
        Target: cluster.namespace,
        Path: './child',
        Revision: await revision(),
        Status: expect.stringMatching(/^Last reconciled at /),
        Message: `Applied revision: ${await revision()}`,
      }),
      expect.objectContaining({
        GitRepository: 'fleet',
        URL: cluster.git.url('fleet'),
        Branch: 'main',
        Revision: await revision(),
        Status: expect.stringMatching(/^Last reconciled at /),
      }),
    ])
    await cluster.kubectl('create', 'configmap', 'foreign')
    expect(await flux.said('trace', 'configmap', 'foreign')).toContain('object not managed by Flux')
  })

  it('CLI-22 lists the events of a Kustomization and of its source, and warnings alone', async () => {
    const events = () => flux.rows('events', '--for', 'Kustomization/child')
    const reasons = async () => (await events()).map(({ REASON, OBJECT, TYPE }) => [TYPE, REASON, OBJECT])
    await expect.poll(reasons).toContainEqual(['Normal', 'ReconciliationSucceeded', 'Kustomization/child'])
    expect(await reasons()).toContainEqual(['Normal', 'NewArtifact', 'GitRepository/fleet'])
    expect(await flux('events', '--for', 'Kustomization/child')).toContain(`ConfigMap/${cluster.namespace}/greeting created`)
    const warnings = await flux.rows('events', '--types', 'Warning')
    expect(new Set(warnings.map(({ TYPE }) => TYPE))).toEqual(new Set(['Warning']))
    expect(warnings.map(({ OBJECT }) => OBJECT)).toContain('GitRepository/gone')
  })

  it('CLI-31 prints the variables, the status and the history of a Kustomization', async () => {
    expect(await flux('debug', 'kustomization', 'child', '--show-vars')).toBe('greeting=hello\nplace=world\n')
    const live = await cluster.get('kustomization/child')
    expect(loadAll(await flux('debug', 'ks', 'child', '--show-status'))[0]).toMatchObject({
      lastAppliedRevision: await revision(),
      observedGeneration: live.metadata.generation,
      inventory: live.status?.inventory,
    })
    expect(loadAll(await flux('debug', 'ks', 'child', '--show-history'))[0]).toEqual([
      expect.objectContaining({
        digest: expect.stringMatching(/^sha256:/),
        lastReconciledStatus: 'ReconciliationSucceeded',
        metadata: { revision: await revision() },
        totalReconciliations: expect.any(Number),
      }),
    ])
  })
})

describe('flux envsubst and completion', () => {
  it('CLI-30 fills in the variables of a Kustomization as Sluice has', async () => {
    const text = await flux('debug', 'kustomization', 'child', '--show-vars')
    const variables = Object.fromEntries(text.split('\n').map((line) => line.split('=')))
    const env = { ...process.env, ...variables }
    const [filled] = loadAll(await run(await findTool('flux'), ['envsubst', '--strict'], { input: greeting('1'), env })) as Live[]
    expect(filled?.data).toEqual((await cluster.get('configmap/greeting')).data)
  })

  it('CLI-34 completes the names of objects', async () => {
    expect((await flux('__complete', 'reconcile', 'kustomization', '')).split('\n')).toEqual(
      expect.arrayContaining(['child', 'root']),
    )
  })
})

describe('flux build and flux diff', () => {
  const child = () => ['child', `--path=${join(folder, 'child')}`]

  it('CLI-26 builds what is applied', async () => {
    const built = (loadAll(await flux('build', 'kustomization', ...child())) as (Live | null)[]).filter((object) => object !== null)
    const ids = (await cluster.get('kustomization/child')).status?.inventory?.entries.map(({ id }) => id)
    expect(built.map(idOf).toSorted()).toEqual(ids?.toSorted())
    for (const { kind, metadata, data } of built) {
      const live = await cluster.get(`${kind}/${metadata.name}`)
      expect([live.metadata.labels, live.data]).toEqual([metadata.labels, data])
    }
    const everything = await flux('build', 'ks', 'root', `--path=${join(folder, 'root')}`, ...recursive())
    expect(everything).toContain('text: hello world')
  })

  it('CLI-27 finds no difference to what Sluice has applied, in all Kustomizations below the root', async () => {
    expect(await flux.tried('diff', 'kustomization', ...child())).toMatchObject({ code: 0, stdout: '' })
    const root = await flux.tried('diff', 'ks', 'root', `--path=${join(folder, 'root')}`, ...recursive())
    expect([root.code, root.stdout]).toEqual([0, ''])
  })

  it('CLI-27 tells what a change would do, and exits with 1', async () => {
    const changed = join(await temporaryDirectory('clone'), 'fleet')
    await run('git', ['clone', '--quiet', fleet.directory, changed])
    await run(
      'sh',
      ['-c', `sed -i "s/version: '1'/version: '2'/" greeting.yaml && mv role.yaml other.yaml && sed -i s/app:/new:/ other.yaml`],
      {
        cwd: join(changed, 'child'),
      },
    )
    const diff = await flux.tried('diff', 'kustomization', 'child', `--path=${join(changed, 'child')}`)
    expect(diff.code).toBe(1)
    const { namespace } = cluster
    expect(diff.stdout).toContain(`► Role/${namespace}/new:reader created\n`)
    expect(diff.stdout).toContain(`► ConfigMap/${namespace}/greeting drifted\n`)
    expect(diff.stdout).toMatch(/data\.version\n.*value change\n\s*- 1\n\s*\+ 2\n/)
    expect(diff.stdout).toContain(`► Role/${namespace}/app:reader deleted\n`)
    expect(diff.stdout).not.toContain('Service')
    await rm(changed, { recursive: true })
  })

  function recursive(): string[] {
    return ['--recursive', `--local-sources=GitRepository/${cluster.namespace}/fleet=${folder}`]
  }
})

describe('flux reconcile', () => {
  it('CLI-16 fetches, and applies what was fetched, source first', async () => {
    await fleet.commit({ 'child/greeting.yaml': greeting('2') }, 'second')
    const source = await flux.said('reconcile', 'source', 'git', 'fleet')
    expect(source).toContain(`✔ fetched revision ${await revision()}`)
    await fleet.commit({ 'child/greeting.yaml': greeting('3') }, 'third')
    const child = await flux.said('reconcile', 'kustomization', 'child', '--with-source')
    expect(child.split('\n').filter((line) => /annotated|revision/.test(line))).toEqual([
      '✔ GitRepository annotated',
      `✔ fetched revision ${await revision()}`,
      '✔ Kustomization annotated',
      `✔ applied revision ${await revision()}`,
    ])
    expect((await cluster.get('configmap/greeting')).data?.version).toBe('3')
    expect(sluice.logs.filter(({ level }) => level === 'text')).toEqual([])
  })

  it('CLI-15 CLI-22 shows what changes while it watches', async () => {
    await fleet.commit({ 'child/greeting.yaml': greeting('watched') }, 'watched')
    const applied = `Applied revision: ${await short()}`
    const seen = Promise.all([
      flux.until(applied, 'get', 'kustomizations', '--watch'),
      flux.until("stored artifact for commit 'watched'", 'events', '--watch', '--for', 'Kustomization/child'),
    ])
    await Promise.all([seen, flux('reconcile', 'kustomization', 'child', '--with-source')])
  })

  it('CLI-16 waits for an object that fails until its time is over', async () => {
    const failed = await flux.tried('reconcile', 'kustomization', 'nowhere', '--timeout=3s')
    expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining('context deadline exceeded')])
  })

  it('CLI-16 CLI-18 ends at once with the reason where only an edit can help', async () => {
    const healthCheckExprs = [{ apiVersion: 'example.com/v1', kind: 'Thing', current: 'status.x ==' }]
    await cluster.apply(
      cluster.kustomization('stalled', { sourceRef: { kind: 'GitRepository', name: 'fleet' }, path: './child', healthCheckExprs }),
    )
    await cluster.until('kustomization/stalled', hasCondition('Stalled', 'True'))
    const reason = /✗ .*terminally due to configuration error/
    const failed = await flux.tried('reconcile', 'kustomization', 'stalled')
    expect([failed.code, failed.stderr]).toEqual([1, expect.stringMatching(reason)])
    await flux('suspend', 'kustomization', 'stalled')
    const resumed = await flux.tried('resume', 'kustomization', 'stalled')
    expect([resumed.code, resumed.stderr]).toEqual([1, expect.stringMatching(reason)])
    expect(resumed.stderr).toContain('✗ reconciliation failed for 1 Kustomization(s)')
    await flux('delete', 'kustomization', 'stalled', '--silent')
    await cluster.untilGone('kustomization/stalled')
  })
})

describe('flux suspend and flux resume', () => {
  it('CLI-18 stops a Kustomization, which is then not reconciled, and goes on with the newest revision', async () => {
    expect(await flux.said('suspend', 'kustomization', 'child', 'child', 'nobody')).toContain('✔ kustomization suspended')
    const refused = await flux.tried('reconcile', 'kustomization', 'child')
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('resource is suspended')])
    await fleet.commit({ 'child/greeting.yaml': greeting('4') }, 'fourth')
    await flux('reconcile', 'source', 'git', 'fleet')
    expect(await flux.rows('get', 'ks', 'child')).toMatchObject([{ SUSPENDED: 'True', READY: 'True' }])
    expect((await flux.rows('stats')).find((row) => row.RECONCILERS === 'Kustomization')).toMatchObject({ SUSPENDED: '1' })
    expect((await cluster.get('configmap/greeting')).data?.version).toBe('watched')
    expect(await flux.said('resume', 'kustomization', 'child')).toContain(`✔ applied revision ${await revision()}`)
    expect((await cluster.get('configmap/greeting')).data?.version).toBe('4')
  })

  it('CLI-18 stops and resumes all of a kind at once', async () => {
    await flux('delete', 'kustomization', 'nowhere', '--silent')
    await flux('delete', 'source', 'git', 'gone', '--silent')
    await flux('suspend', 'source', 'git', '--all')
    expect(await flux.rows('get', 'sources', 'git')).toMatchObject([{ NAME: 'fleet', SUSPENDED: 'True' }])
    expect(await flux.said('resume', 'source', 'git', '--all', '--wait')).toContain(`✔ fetched revision ${await revision()}`)
    await flux('suspend', 'ks', '--all')
    const resumed = await flux.said('resume', 'ks', '--all', '--wait')
    expect(resumed.match(/✔ applied revision \S+/g)).toEqual(Array(2).fill(`✔ applied revision ${await revision()}`))
  })
})

describe('flux export and flux delete', () => {
  it('CLI-20 prints objects as they were made, and nothing else', async () => {
    const text = (await flux('export', 'kustomization', '--all')) + (await flux('export', 'source', 'git', 'fleet'))
    const exported = loadAll(text) as Live[]
    expect(exported.map(({ kind, metadata }) => `${kind}/${metadata.name}`).toSorted()).toEqual([
      'GitRepository/fleet',
      'Kustomization/child',
      'Kustomization/root',
    ])
    for (const { kind, metadata, spec, status } of exported) {
      const live = await cluster.get(`${kind}/${metadata.name}`)
      expect(inMilliseconds(live.spec)).toMatchObject(inMilliseconds(spec) as object)
      expect([metadata.namespace, metadata.labels, status]).toEqual([cluster.namespace, live.metadata.labels, undefined])
    }
  })

  it('CLI-19 deletes a Kustomization with all that it manages, and its source', async () => {
    expect(await flux.said('delete', 'kustomization', 'root', '--silent')).toContain('✔ kustomization deleted')
    for (const ref of ['kustomization/root', 'kustomization/child', 'configmap/greeting', 'service/web', 'configmap/variables'])
      await cluster.untilGone(ref)
    expect(await flux.said('delete', 'source', 'git', 'fleet', '--silent')).toContain('✔ source git deleted')
    await cluster.untilGone('gitrepository/fleet')
    const none = await flux.tried('get', 'sources', 'git')
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining('no GitRepository objects found')])
  })
})

/** As in an inventory. */
function idOf({ apiVersion = '', kind, metadata }: Live): string {
  const group = apiVersion.includes('/') ? apiVersion.split('/')[0] : ''
  return `${metadata.namespace}_${metadata.name.replace(':', '__')}_${group}_${kind}`
}
