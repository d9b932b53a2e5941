/**
 * `make image`: builds Sluice's image from the Dockerfile, and prints its size and how long a process of it takes from its start to
 * being ready. `IMAGE` names it (`sluice:dev` else), `BASE` and `RUNTIME_BASE` replace the images it is built on, `ARCHIVE=FILE` keeps it
 * as a file too.
 */
import { join } from 'node:path'
import { run, temporaryDirectory } from '../test/tools/processes.ts'
import type { Say } from '../test/tools/tools.ts'
import { type Builder, compressedSize, findBuilder } from './builder.ts'
import { measureStart } from './start-time.ts'

const root = join(import.meta.dirname, '..')

/** Builds the image of the sources as they are. */
export async function buildSluice(builder: Builder, image: string): Promise<void> {
  const revision = await run('git', ['-C', root, 'describe', '--always', '--dirty', '--abbrev=40'])
    .then((text) => text.trim())
    .catch(() => 'unknown')
  const args = { VERSION: image.split(':').at(-1) ?? '', REVISION: revision }
  await builder.build({ image, context: root, dockerfile: join(root, 'Dockerfile'), args })
}

async function main(): Promise<void> {
  const say: Say = (line) => void process.stderr.write(`${line}\n`)
  const image = process.env.IMAGE || 'localhost/sluice:dev'
  const builder = await findBuilder(say)
  const startedAt = performance.now()
  await buildSluice(builder, image)
  say(`built ${image} with ${builder.name} in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
  const archive = process.env.ARCHIVE || join(await temporaryDirectory('image'), 'image.tar')
  await builder.save(image, archive)
  say(`compressed ${((await compressedSize(archive)) / 2 ** 20).toFixed(1)} MiB`)
  const { alive, ready, processor } = await measureStart(builder, image)
  const times = `to /healthz ${alive.toFixed(0)} ms, to /readyz ${ready.toFixed(0)} ms`
  say(`from process start ${times}, with ${processor.toFixed(0)} ms of processor time (medians of 5)`)
}

if (import.meta.main) await main()
