/**
 * `make demo`: a real API server and etcd, a real Git repository over smart HTTP, and Sluice between them. Shows a first sync, a
 * commit, drift, a Helm release installed, upgraded and rolled back with the notifications that come of it, and pruning, checks each,
 * and stays up until Ctrl-C; with `--once` it ends instead. The exit code is 0 only if every step held.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startControlPlane } from '../tools/control-plane.ts'
import { installCrds } from '../tools/crds.ts'
import { startGitServer } from '../tools/git-server.ts'
import type { Kubectl } from '../tools/kubectl.ts'
import { temporaryDirectory } from '../tools/processes.ts'
import { filesBelow, Repository } from '../tools/repository.ts'
import { type Sluice, startSluice } from '../tools/sluice.ts'
import { isReady, type Live, untilGone, watchObjects } from '../tools/watch.ts'
import { Board, StepFailed } from './board.ts'
import { startNotificationPage } from './page.ts'
import { failedUpgrade, install, mendedUpgrade, subscribe, upgrade } from './releases.ts'
import { edit, now, type Stage, since, until } from './stage.ts'

const { values: options } = parseArgs({ options: { once: { type: 'boolean', default: false } } })

const board = new Board(process.stdout)
const resources = new AsyncDisposableStack()
const interrupted = new Promise<'interrupted'>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve('interrupted'))
})
let running: Sluice | undefined
process.exitCode = await main()
// What an interrupted step left behind ends here.
process.exit()

async function main(): Promise<number> {
  try {
    const outcome = await Promise.race([story(), interrupted])
    if (outcome !== 'interrupted' && !options.once) await interrupted
    board[Symbol.dispose]()
    await resources.disposeAsync()
    return outcome === 'interrupted' ? 130 : 0
  } catch (error) {
    board[Symbol.dispose]()
    const step = error instanceof StepFailed ? `step "${error.step}"` : 'the demo'
    process.stderr.write(`\n${step} failed: ${error instanceof Error ? error.message : String(error)}\n`)
    for (const line of lastErrors()) process.stderr.write(`${line}\n`)
    await resources.disposeAsync()
    return 1
  }
}

async function story(): Promise<'done'> {
  const stage = await setTheStage()
  await board.step('apply a GitRepository and a Kustomization; Git names all the others', () => firstSync(stage))
  await board.step('staging and production each got their own, in the order that they depend on each other', () => overlays(stage))
  await board.step('commit a new menu', () => newMenu(stage))
  await board.step('scale a Deployment by hand: Sluice heals it', () => heal(stage))
  await board.step('send what happens to Helm releases to a page', () => subscribe(stage))
  await board.step('name a HelmRelease in Git: its chart is packed from the repository and installed', () => install(stage))
  await board.step('change a value in Git: the release is upgraded', () => upgrade(stage))
  await board.step('commit a bad value: the upgrade is rolled back, and the page says why', () => failedUpgrade(stage))
  await board.step('commit a better one', () => mendedUpgrade(stage))
  await board.step('remove an app from Git: Sluice prunes it, and nothing else', () => removeApp(stage))
  end(stage)
  return 'done'
}

async function setTheStage(): Promise<Stage> {
  const controlPlane = await board.step('start a real kube-apiserver and etcd', async () =>
    resources.use(await startControlPlane({ log: (line) => board.note(line) })),
  )
  const { kubectl, kubeconfig } = controlPlane
  await board.step("install Sluice's CRDs and the namespace flux-system", async () => {
    await installCrds(kubectl)
    await kubectl('create', 'namespace', 'flux-system')
  })
  const { git, repository } = await board.step('serve a Git repository over smart HTTP', async () => {
    const root = await temporaryDirectory('git')
    const repository = await Repository.create(root, 'demo')
    await repository.commit(await filesBelow(join(import.meta.dirname, 'repository')), 'A teahouse in two environments', now())
    const git = resources.use(await startGitServer({ root }))
    board.note(`git clone ${git.url('demo')}`)
    return { git, repository }
  })
  const sluice = await board.step('start Sluice', async () => {
    const started = await startSluice({ kubeconfig })
    resources.defer(async () => void (await started.stop()))
    running = started
    return started
  })
  const page = resources.use(await startNotificationPage())
  return { board, kubectl, kubeconfig, sluice, git, repository, page, readyOrder: new Set() }
}

async function firstSync(stage: Stage): Promise<void> {
  follow(stage)
  await stage.kubectl.apply([
    {
      apiVersion: 'source.toolkit.fluxcd.io/v1',
      kind: 'GitRepository',
      metadata: { name: 'demo', namespace: 'flux-system' },
      spec: { url: stage.git.url('demo'), ref: { branch: 'main' }, interval: '2s' },
    },
    {
      apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
      kind: 'Kustomization',
      metadata: { name: 'demo', namespace: 'flux-system' },
      spec: {
        sourceRef: { kind: 'GitRepository', name: 'demo' },
        path: './clusters/demo',
        prune: true,
        wait: true,
        interval: '10m',
        retryInterval: '10s',
        timeout: '2m',
      },
    },
  ])
  const commit = await stage.repository.head()
  for (const name of ['infrastructure', 'teahouse-staging', 'teahouse-production', 'guestbook', 'demo']) {
    await until(stage, `kustomization/${name}`, isReady(commit))
  }
}

async function overlays({ kubectl, readyOrder }: Stage): Promise<void> {
  const staging = await deployment(kubectl, 'staging')
  const production = await deployment(kubectl, 'production')
  assert.deepEqual([staging.replicas, production.replicas], [1, 3], 'replicas of staging and production')
  assert.deepEqual([staging.image, production.image], ['registry.example/teahouse:1.5.0-rc.1', 'registry.example/teahouse:1.4.2'])
  assert.match(await menu(kubectl, 'staging'), /^Welcome to the staging teahouse at tea\.example\.$/m)
  assert.match(await menu(kubectl, 'production'), /^Welcome to the production teahouse at tea\.example\.$/m)
  const chain = [...readyOrder].filter((name) => name === 'infrastructure' || name.startsWith('teahouse'))
  assert.deepEqual(chain, ['infrastructure', 'teahouse-staging', 'teahouse-production'], 'the order of becoming ready')
  board.note(chain.join(' → '))
}

async function newMenu(stage: Stage): Promise<void> {
  const { kubectl } = stage
  const before = { staging: await deployment(kubectl, 'staging'), production: await deployment(kubectl, 'production') }
  const pushedAt = performance.now()
  const commit = await edit(stage, 'apps/teahouse/base/menu.txt', ['sencha', 'oolong'], 'Serve oolong')
  for (const environment of ['staging', 'production'] as const) {
    await until(stage, `kustomization/teahouse-${environment}`, isReady(commit))
    assert.match(await menu(kubectl, environment), /Today: oolong/, `the menu of ${environment}`)
    await untilGone(`configmap/${before[environment].menu}`, { kubeconfig: stage.kubeconfig, namespace: environment })
  }
  board.note(
    `both environments serve commit ${commit.slice(0, 8)}, and the old menus are pruned, ${since(pushedAt)} after the push`,
  )
}

async function heal(stage: Stage): Promise<void> {
  const { kubectl } = stage
  const { generation } = await deployment(kubectl, 'production')
  await kubectl('scale', 'deployment/teahouse', '--namespace', 'production', '--replicas', '1')
  const editedAt = performance.now()
  const isHealed = (object: Live) => object.spec?.replicas === 3 && (object.metadata.generation ?? 0) >= generation + 2
  await until(stage, 'deployment/teahouse', isHealed, 'production')
  board.note(`3 replicas again ${since(editedAt)} after kubectl scale`)
}

async function removeApp(stage: Stage): Promise<void> {
  const { kubectl, kubeconfig, repository } = stage
  const kept = await deployment(kubectl, 'staging')
  const list = await repository.git('show', 'main:clusters/demo/kustomization.yaml')
  const pushedAt = performance.now()
  const commit = await repository.commit(
    {
      'clusters/demo/kustomization.yaml': `${list.replace('\n  - guestbook.yaml', '')}\n`,
      'clusters/demo/guestbook.yaml': null,
    },
    'Close the guestbook',
    now(),
  )
  await untilGone('kustomization/guestbook', { kubeconfig, namespace: 'flux-system' })
  await untilGone('configmap/guestbook', { kubeconfig, namespace: 'staging' })
  await untilGone('service/guestbook', { kubeconfig, namespace: 'staging' })
  board.note(`the Kustomization and its objects are gone ${since(pushedAt)} after the push`)
  await until(stage, 'kustomization/demo', isReady(commit))
  assert.equal((await deployment(kubectl, 'staging')).uid, kept.uid, 'the uid of the Deployment that was to stay')
}

/** What Sluice complained about last, for a step that failed. */
function lastErrors(): string[] {
  const complaints = running?.logs.filter((line) => line.level !== 'info' && line.level !== 'debug') ?? []
  return complaints.slice(-10).map((line) => (line.level === 'text' ? line.msg : JSON.stringify(line)))
}

function end({ sluice, git, page, kubeconfig }: Stage): void {
  board.say('')
  board.say(`  notifications  ${board.emphasis(page.url)}`)
  board.say(`  metrics        ${board.emphasis(`${sluice.address('metrics')}/metrics`)}`)
  board.say(`  repository     ${board.emphasis(git.url('demo'))}`)
  board.say(`  kubeconfig     ${board.emphasis(`export KUBECONFIG=${kubeconfig}`)}`)
  board.say(options.once ? '' : '\n  Everything holds. It stays up until Ctrl-C.\n')
}

/** Feeds the table, until the end, from watches. */
function follow({ kubeconfig, readyOrder }: Stage): void {
  const ended = new AbortController()
  resources.defer(() => ended.abort())
  const feed = async (resource: string) => {
    for await (const { type, object } of watchObjects(resource, { kubeconfig, namespace: 'flux-system' }, ended.signal)) {
      if (type === 'DELETED') board.remove(object)
      else board.show(object)
      if (object.kind === 'Kustomization' && isReady()(object)) readyOrder.add(object.metadata.name)
    }
  }
  for (const resource of ['gitrepositories', 'kustomizations', 'helmcharts', 'helmreleases']) {
    feed(resource).catch((error: unknown) => board.note(`watching ${resource} ended: ${error}`))
  }
}

/** What the checks look at in an environment's Deployment. */
async function deployment(
  kubectl: Kubectl,
  namespace: string,
): Promise<{ uid: string; generation: number; replicas: unknown; image: unknown; menu: string }> {
  const object = await kubectl.json<Live>('get', 'deployment/teahouse', '--namespace', namespace)
  const pod = object.spec as { template: { spec: { containers: { image: string }[]; volumes: { configMap: { name: string } }[] } } }
  const { containers, volumes } = pod.template.spec
  const { uid, generation = 0 } = object.metadata
  return { uid, generation, replicas: object.spec?.replicas, image: containers[0]?.image, menu: volumes[0]?.configMap.name ?? '' }
}

/** The text of the ConfigMap that the Deployment mounts. */
async function menu(kubectl: Kubectl, namespace: string): Promise<string> {
  const { menu: name } = await deployment(kubectl, namespace)
  assert.match(name, /^menu-[0-9a-z]{10}$/, 'the generated name')
  const object = await kubectl.json<Live>('get', `configmap/${name}`, '--namespace', namespace)
  return object.data?.['menu.txt'] ?? ''
}
