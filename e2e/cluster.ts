/**
 * The cluster that the end-to-end test runs on: the one of `KUBECONFIG` where that is given, else one of kind's where docker and kind
 * are there, else the local node. Images are built from the sources and loaded, or named for a cluster that can pull them.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { seconds } from '../test/demo/board.ts'
import { type Kubectl, kubectlOf } from '../test/tools/kubectl.ts'
import { run, temporaryDirectory } from '../test/tools/processes.ts'
import type { Say } from '../test/tools/tools.ts'
import { type Builder, findBuilder, works } from './builder.ts'
import { buildSluice } from './image.ts'
import { startNode } from './node/node.ts'
import { hasProgram } from './node/packages.ts'

export interface Images {
  readonly sluice: string
  /** Another build of the same program, to upgrade to. */
  readonly next: string
  /** What other pods run: `e2e/pods`. */
  readonly pods: string
}

export interface Cluster extends AsyncDisposable {
  readonly name: string
  readonly kubeconfig: string
  readonly kubectl: Kubectl
  /** Runs a command on the (only) node, among its processes; absent where nobody may. */
  readonly onNode?: (...command: string[]) => Promise<string>
  /** Whether the cluster goes away with the test. */
  readonly isOurs: boolean
  /** Makes an image available that was built here. */
  load(archive: string): Promise<void>
}

/** Finds or starts the cluster. */
export async function openCluster(say: Say): Promise<Cluster> {
  const given = process.env.KUBECONFIG
  if (given) return givenCluster(given)
  if ((await hasProgram('kind')) && (await works('docker'))) return kindCluster(say)
  const node = await startNode(say)
  return { ...node, name: 'local node', isOurs: true, onNode: node.execute }
}

function givenCluster(kubeconfig: string): Cluster {
  return {
    name: `KUBECONFIG=${kubeconfig}`,
    kubeconfig,
    kubectl: kubectlOf(kubeconfig),
    isOurs: false,
    load: () => Promise.reject(new Error('images cannot be loaded into a given cluster: see e2e/README.md for what to set')),
    async [Symbol.asyncDispose]() {},
  }
}

async function kindCluster(say: Say): Promise<Cluster> {
  const name = `sluice-e2e-${process.pid}`
  const kubeconfig = join(await temporaryDirectory('kind'), 'kubeconfig')
  say(`kind create cluster --name ${name}`)
  await run('kind', ['create', 'cluster', '--name', name, '--kubeconfig', kubeconfig, '--wait', '180s'])
  return {
    name: 'kind',
    kubeconfig,
    kubectl: kubectlOf(kubeconfig),
    isOurs: true,
    onNode: (...command) => run('docker', ['exec', `${name}-control-plane`, ...command]),
    load: async (archive) => void (await run('kind', ['load', 'image-archive', archive, '--name', name])),
    [Symbol.asyncDispose]: async () => void (await run('kind', ['delete', 'cluster', '--name', name])),
  }
}

/**
 * The images that the environment names (`SLUICE_IMAGE`, `SLUICE_IMAGE_NEXT`, `E2E_IMAGE`: for clusters that can pull them), or those
 * of the sources, built and loaded.
 */
export async function provideImages(cluster: Cluster, say: Say): Promise<Images> {
  const { SLUICE_IMAGE: sluice, SLUICE_IMAGE_NEXT: next, E2E_IMAGE: pods } = process.env
  if (sluice && pods) return { sluice, next: next || sluice, pods }
  if (!cluster.isOurs) throw new Error('set SLUICE_IMAGE and E2E_IMAGE to images that the cluster can pull: see e2e/README.md')
  const builder = await findBuilder(say)
  const images = { sluice: 'localhost/sluice:e2e', next: 'localhost/sluice:e2e-next', pods: 'localhost/sluice-e2e:e2e' }
  const archive = join(await temporaryDirectory('images'), 'image.tar')
  for (const image of Object.values(images)) {
    const watch = stopwatch()
    await (image === images.pods ? buildPods(builder, image) : buildSluice(builder, image))
    const built = watch()
    await builder.save(image, archive)
    const saved = watch()
    await cluster.load(archive)
    await rm(archive)
    say(`${image}: built in ${built}, saved in ${saved}, loaded in ${watch()}`)
  }
  return images
}

/** Each call says how long it has been since the one before. */
function stopwatch(): () => string {
  let last = performance.now()
  return () => {
    const before = last
    last = performance.now()
    return seconds(last - before)
  }
}

async function buildPods(builder: Builder, image: string): Promise<void> {
  const context = join(import.meta.dirname, '..')
  await builder.build({ image, context, dockerfile: join(import.meta.dirname, 'pods/Dockerfile') })
}
