/** Kustomizations of one GitRepository: cold, again, after a commit, and one after the other. */
import { startGitServer } from '../tools/git-server.ts'
import type { Kubectl } from '../tools/kubectl.ts'
import { temporaryDirectory } from '../tools/processes.ts'
import { Repository } from '../tools/repository.ts'
import { isReady } from '../tools/watch.ts'
import { type Api, requestedAt, type Tracker } from './api.ts'
import { startBenchCluster } from './cluster.ts'
import { appName, gitRepository, kustomization, linkName, repositoryFiles, settingsOf } from './content.ts'
import { type Measured, Meter, type Row } from './measure.ts'

export interface Sizes {
  readonly apps: number
  readonly chain: number
}

/** What is measured. */
export interface Program {
  /** Puts its definitions on the API server. */
  install(kubectl: Kubectl): Promise<void>
  start(kubeconfig: string): Promise<Measured & AsyncDisposable>
}

/** What the scenarios work with. */
interface Bench {
  readonly api: Api
  readonly tracker: Tracker
  readonly repository: Repository
  readonly names: readonly string[]
  /** Paths. */
  readonly sources: string
  readonly kustomizations: string
}

export async function* benchKustomizations(sizes: Sizes, program: Program): AsyncIterable<Row> {
  await using resources = new AsyncDisposableStack()
  const { controlPlane, api, path, follow } = resources.use(await startBenchCluster(program.install))
  const root = await temporaryDirectory('git')
  const git = resources.use(await startGitServer({ root }))
  const repository = await Repository.create(root, 'bench')
  await repository.commit(repositoryFiles(sizes), `${sizes.apps} applications`)
  const sources = path('source.toolkit.fluxcd.io/v1', 'gitrepositories')
  const kustomizations = path('kustomize.toolkit.fluxcd.io/v1', 'kustomizations')
  // Everything is there before the program starts: a client that creates 500 objects would be measured otherwise.
  await api.create(sources, gitRepository(git.url('bench')))
  const names = Array.from({ length: sizes.apps }, (_, index) => appName(index))
  await Promise.all(names.map((name) => api.create(kustomizations, kustomization(name, `./apps/${name}`))))
  const tracker = await follow(kustomizations)
  const bench = { api, tracker, repository, names, sources, kustomizations }

  const { meter, row } = await Meter.fromStart(
    controlPlane,
    async () => resources.use(await program.start(controlPlane.kubeconfig)),
    {
      what: `cold sync of ${sizes.apps} Kustomizations, ${sizes.apps * 8} objects, from the start of the process`,
      run: async () => {
        await tracker.untilAll(names, isReady())
        return ''
      },
    },
  )
  yield row
  yield await meter.measure(`no-op of all ${sizes.apps}, on request`, () => noOp(bench))
  yield await meter.measure('commit that touches one app', () => oneAppCommit(bench))
  yield await meter.measure(`chain of ${sizes.chain} by dependsOn`, () => chain(bench, sizes))
}

async function noOp({ api, tracker, names, kustomizations }: Bench): Promise<string> {
  const token = new Date().toISOString()
  await Promise.all(names.map((name) => api.patch(`${kustomizations}/${name}`, requestedAt(token))))
  await tracker.untilAll(names, (object) => object.status?.lastHandledReconcileAt === token && isReady()(object))
  return ''
}

async function oneAppCommit({ api, tracker, repository, names, sources }: Bench): Promise<string> {
  const app = appName(0)
  const startedAt = performance.now()
  const commit = await repository.commit({ [`apps/${app}/settings.yaml`]: settingsOf(app, 'second') }, 'one app')
  await api.patch(`${sources}/bench`, requestedAt(commit))
  await tracker.untilAll([app], isReady(commit))
  const first = (performance.now() - startedAt) / 1000
  await tracker.untilAll(names, isReady(commit))
  return `the app itself after ${first.toFixed(2)} s`
}

async function chain({ api, tracker, kustomizations }: Bench, sizes: Sizes): Promise<string> {
  const links = Array.from({ length: sizes.chain }, (_, index) => linkName(index))
  const startedAt = performance.now()
  // Last first: each has to wait for the one before.
  for (const [index, name] of [...links.entries()].reverse()) {
    const dependsOn = index === 0 ? {} : { dependsOn: [{ name: links[index - 1] }] }
    await api.create(kustomizations, kustomization(name, `./chain/${name}`, dependsOn))
  }
  await tracker.untilAll(links, isReady())
  return `${((performance.now() - startedAt) / 1000 / sizes.chain).toFixed(3)} s a link`
}
