/**
 * `make e2e`: Sluice as its users run it, a pod of a real cluster. Each story is a step of e2e/steps.ts; the log shows each with its time,
 * the last line is `N skipped, N passed, N failed` (without the first where that is none), and the exit code 0 only if none failed.
 *
 *   --smoke        the short form
 *   --only TEXT    the steps whose title contains this text (installing is always done)
 *   --keep         stay up until Ctrl-C after the last step
 */
import { parseArgs } from 'node:util'
import { Board } from '../test/demo/board.ts'
import { findTools } from '../test/tools/tools.ts'
import { type Cluster, openCluster, provideImages } from './cluster.ts'
import { printState } from './diagnosis.ts'
import { GitService } from './git.ts'
import { install, uninstall } from './install.ts'
import { Skipped, Stage, type Step } from './stage.ts'
import { steps } from './steps.ts'

const { values: options } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    keep: { type: 'boolean', default: false },
  },
})

const longestStepMs = 10 * 60_000
const board = new Board(process.stdout)
const resources = new AsyncDisposableStack()
const interrupted = new Promise<'interrupted'>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve('interrupted'))
})
const counts = { skipped: 0, passed: 0, failed: 0 }
const outcome = await Promise.race([main(), interrupted])
if (outcome !== 'interrupted' && options.keep) await interrupted
board[Symbol.dispose]()
await resources.disposeAsync()
const skipped = counts.skipped > 0 ? `${counts.skipped} skipped, ` : ''
process.stdout.write(`${skipped}${counts.passed} passed, ${counts.failed} failed\n`)
process.exit(outcome === 'interrupted' ? 130 : counts.failed === 0 ? 0 : 1)

async function main(): Promise<void> {
  const stage = await setTheStage()
  if (!stage) return
  const chosen = steps.filter(({ title, smoke }) => (options.smoke ? smoke : true) && title.includes(options.only))
  for (const step of chosen) {
    await attempt(step.title, stage.cluster, async () => {
      await findTools(step.tools ?? [], (line) => board.note(line))
      await withinTime(step.run(stage))
    })
  }
  if (options.keep) board.say(`up until Ctrl-C: export KUBECONFIG=${stage.cluster.kubeconfig}`)
}

/** Cluster, images, Sluice and a Git server; without them no step makes sense. */
async function setTheStage(): Promise<Stage | undefined> {
  const note = (line: string) => board.note(line)
  const cluster = await attempt('a cluster is there', undefined, async () => {
    const opened = resources.use(await openCluster(note))
    note(opened.name)
    return opened
  })
  if (!cluster) return undefined
  const images = await attempt('the images are built and loaded', cluster, () => provideImages(cluster, note))
  if (!images) return undefined
  const installed = await attempt('kubectl apply installs Sluice, which becomes ready', cluster, async () => {
    if (!cluster.isOurs) resources.defer(() => uninstall(cluster))
    await install(cluster, images.sluice, note)
    return true
  })
  const git = installed && (await attempt('a pod serves Git repositories', cluster, () => GitService.start(cluster, images.pods)))
  return git ? new Stage({ cluster, images, git, note }) : undefined
}

/** A step that hangs must not keep the others from being told. */
async function withinTime(running: Promise<void>): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`not done within ${longestStepMs / 60_000} minutes`)), longestStepMs)
  await Promise.race([running, promise]).finally(() => clearTimeout(timer))
}

/** Runs one step, counts how it ended, and shows the cluster's state where it failed. */
async function attempt<T>(title: Step['title'], cluster: Cluster | undefined, run: () => Promise<T>): Promise<T | undefined> {
  let result: T | undefined
  let outcome: keyof typeof counts = 'passed'
  try {
    await board.step(title, async () => {
      result = await run().catch((error: unknown) => {
        if (!(error instanceof Skipped)) throw error
        outcome = 'skipped'
        board.note(`skipped: ${error.message}`)
        return undefined
      })
    })
    counts[outcome]++
  } catch (error) {
    counts.failed++
    board.say(error instanceof Error ? error.message : String(error))
    if (cluster) await printState(cluster, (line) => board.say(line)).catch((reason: unknown) => board.say(String(reason)))
  }
  return result
}
