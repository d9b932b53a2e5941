/** Builds images with what is there: docker, podman, or buildah (which needs neither a daemon nor a registry). */

import { createReadStream } from 'node:fs'
import { createGzip } from 'node:zlib'
import { run } from '../test/tools/processes.ts'
import type { Say } from '../test/tools/tools.ts'
import { baseImages, buildImage, ignoreFile, saveImage } from './node/images.ts'

export interface Build {
  /** Name and tag: `localhost/sluice:e2e`. */
  readonly image: string
  /** The folder that the Dockerfile copies from. */
  readonly context: string
  readonly dockerfile: string
  /** Values of its `ARG`s; those that name base images are set where no registry is needed for them. */
  readonly args?: Readonly<Record<string, string>>
}

export interface Builder {
  readonly name: 'docker' | 'podman' | 'buildah'
  build(build: Build): Promise<void>
  /** Writes an archive that containerd reads. */
  save(image: string, archive: string): Promise<void>
}

/** The first that is there; buildah is installed where none is. */
export async function findBuilder(say: Say): Promise<Builder> {
  for (const name of ['docker', 'podman'] as const) if (await works(name)) return dockerLike(name)
  return {
    name: 'buildah',
    async build({ args, ...build }) {
      const bases = await baseImages(say)
      const own = { BASE: bases.build, RUNTIME_BASE: bases.runtime, ...environmentBases() }
      await buildImage({ ...build, args: { ...own, ...args } }, say)
    },
    save: saveImage,
  }
}

/** Whether the program is there, and its daemon where it has one. */
export function works(name: 'docker' | 'podman'): Promise<boolean> {
  return run(name, ['info']).then(
    () => true,
    () => false,
  )
}

function dockerLike(name: 'docker' | 'podman'): Builder {
  return {
    name,
    async build({ image, context, dockerfile, args }) {
      const all = Object.entries({ ...environmentBases(), ...args }).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`])
      const ignore = name === 'podman' ? await ignoreFile(dockerfile) : []
      await run(name, ['build', '--quiet', '--tag', image, '--file', dockerfile, ...ignore, ...all, context])
    },
    save: async (image, archive) => void (await run(name, ['save', '--output', archive, image])),
  }
}

/** `BASE` and `RUNTIME_BASE` of the environment replace the Dockerfile's own. */
function environmentBases(): Record<string, string> {
  const names = ['BASE', 'RUNTIME_BASE'] as const
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])))
}

/** Size of an archive in bytes as a registry holds it. */
export async function compressedSize(archive: string): Promise<number> {
  let size = 0
  for await (const chunk of createReadStream(archive).pipe(createGzip()) as AsyncIterable<Buffer>) size += chunk.length
  return size
}
