import assert from 'node:assert/strict'
import { conditionOf, isReady, type Live, watchObjects } from '../../test/tools/watch.ts'
import { configMap, yaml } from '../manifests.ts'
import { installed } from '../overlay.ts'
import { killOnNode, sluicePods } from '../pod.ts'
import { type Delivery, fluxNamespace, type Stage, type Step } from '../stage.ts'

const name = 'fail-over'
/** Several Kustomizations of one source: more than one of them could meet a store that is empty. */
const others = ['fail-over-b', 'fail-over-c']
const kustomizations = 'kustomizations.kustomize.toolkit.fluxcd.io'

export const failOver: Step = {
  title: 'F-OPS-01 F-ART-06 with two replicas the next commit is applied within 10 s of a SIGTERM and 45 s of a kill -9',
  async run(stage) {
    await using _ha = await installed(stage, 'ha')
    const delivery = await stage.deliver(name, version('1'))
    await stage.kubectl.apply(others.map(another))
    await untilApplied(stage, delivery)
    await using failures = watchFailures(stage)

    await takesOver(stage, delivery, { version: '2', withinMs: 10_000 }, async (leader) => {
      await stage.kubectl('delete', 'pod', leader.metadata.name, '--namespace', fluxNamespace, '--wait=false')
    })
    if (stage.cluster.onNode)
      await takesOver(stage, delivery, { version: '3', withinMs: 45_000 }, (leader) => killOnNode(stage, leader, 'process'))

    assert.deepEqual(failures.seen, [], 'Kustomizations that failed meanwhile')
    await stage.kubectl('delete', kustomizations, ...others, '--namespace', fluxNamespace, '--timeout', '60s')
    await delivery.remove()
  },
}

interface TakeOver {
  readonly version: string
  readonly withinMs: number
}

/** Ends the leader. The next one has no artifacts: it must look for the source again, and finds a commit that nobody has told of. */
async function takesOver(stage: Stage, delivery: Delivery, { version: text, withinMs }: TakeOver, end: Ending): Promise<void> {
  await stage.kubectl('rollout', 'status', 'deployment/sluice-controller', '--namespace', fluxNamespace, '--timeout', '120s')
  const leader = await leaderOf(stage)
  const commit = await delivery.commit(version(text), `Version ${text}`)
  const startedAt = performance.now()
  await end(leader)
  await stage.until(`gitrepository/${name}`, isReady(commit))
  const fetchedMs = performance.now() - startedAt
  await untilApplied(stage, delivery)
  const appliedMs = performance.now() - startedAt
  stage.note(`a commit is fetched after ${seconds(fetchedMs)}, and applied after ${seconds(appliedMs)}`)
  assert.ok(appliedMs < withinMs, `it took ${seconds(appliedMs)} until the next one had worked`)
}

type Ending = (leader: Live) => Promise<void>

async function untilApplied(stage: Stage, delivery: Delivery): Promise<void> {
  const { status } = await delivery.ready()
  const ready = isReady(status?.lastAppliedRevision)
  for (const other of others) await stage.until(`kustomization/${other}`, ready)
}

async function leaderOf(stage: Stage): Promise<Live> {
  const leaders = (await sluicePods(stage)).filter(({ metadata }) => metadata.labels?.['sluice.dev/leader'] === 'true')
  assert.equal(leaders.length, 1, 'pods that say they lead')
  return leaders[0] as Live
}

interface Failures extends AsyncDisposable {
  /** Each time that a Kustomization said it had failed. */
  readonly seen: readonly string[]
}

function watchFailures({ cluster: { kubeconfig } }: Stage): Failures {
  const ended = new AbortController()
  const seen: string[] = []
  const watching = (async () => {
    for await (const { object } of watchObjects(kustomizations, { kubeconfig, namespace: fluxNamespace }, ended.signal)) {
      const ready = conditionOf(object, 'Ready')
      if (ready?.status === 'False') seen.push(`${object.metadata.name}: ${ready.reason}: ${ready.message}`)
    }
  })()
  return {
    seen,
    async [Symbol.asyncDispose]() {
      ended.abort()
      await watching
    },
  }
}

function version(text: string): Record<string, string> {
  return { 'a.yaml': yaml(configMap('a', { version: text })) }
}

/** Applies the same source under names of its own. */
function another(other: string): object {
  const spec = { sourceRef: { kind: 'GitRepository', name }, interval: '1h', path: './', prune: true, targetNamespace: name }
  return {
    apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
    kind: 'Kustomization',
    metadata: { name: other, namespace: fluxNamespace },
    spec: { ...spec, nameSuffix: other.slice(name.length) },
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
