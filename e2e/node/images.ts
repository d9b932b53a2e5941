/**
 * Images for machines without docker and a registry: built by buildah from what Debian's and npm's registries have, and kept as
 * archives in the cache of the tools.
 */
import { access, cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run, temporaryDirectory } from '../../test/tools/processes.ts'
import { findTool, type Say, toolsDirectory } from '../../test/tools/tools.ts'
import type { Build } from '../builder.ts'
import { pauseImage } from './configuration.ts'
import { providePackages } from './packages.ts'

/** The image that holds the namespaces of each pod, as an archive. */
export async function pauseArchive(say: Say): Promise<string> {
  const archive = join(imagesDirectory(), 'pause-1.tar')
  if (await exists(archive)) return archive
  const context = await temporaryDirectory('pause')
  await cp(await findTool('pause', say), join(context, 'pause'))
  await buildFrom('FROM scratch\nCOPY pause /pause\nUSER 65535:65535\nENTRYPOINT ["/pause"]\n', pauseImage, context, say)
  await saveImage(pauseImage, archive)
  return archive
}

/**
 * The images that ours are built on, made where they are not there yet (a minute): `build` is Debian with Node, npm and Git, `runtime` has
 * the libraries that Node needs and certificates, and no shell.
 */
export async function baseImages(say: Say): Promise<{ readonly build: string; readonly runtime: string }> {
  await providePackages(['buildah', 'mmdebstrap'], say)
  const { node, npm } = await nodeVersions()
  // The last number goes up when what is in them changes.
  const images = { build: `localhost/sluice-build-base:${node}-1`, runtime: `localhost/sluice-runtime-base:${node}-2` }
  if (!(await hasImage(images.build))) {
    say(`making ${images.build} from Debian's packages and npm's`)
    const context = await temporaryDirectory('build-base')
    await packageOf(`node-linux-${architecture()}@${node}`, join(context, 'node'))
    await packageOf(`npm@${npm}`, join(context, 'npm'))
    await debianRoot('essential', ['libstdc++6', 'ca-certificates', 'git'], join(context, 'root.tar'))
    await buildFrom(buildBase, images.build, context, say)
  }
  if (!(await hasImage(images.runtime))) {
    say(`making ${images.runtime} from Debian's packages`)
    const context = await temporaryDirectory('runtime-base')
    await debianRoot('extract', ['libc6', 'libstdc++6', 'libgcc-s1'], join(context, 'root.tar'))
    await buildFrom(runtimeBase(images.build), images.runtime, context, say)
  }
  return images
}

const buildBase = `FROM scratch
ADD root.tar /
COPY node/bin/node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
CMD ["node"]
`

function runtimeBase(build: string): string {
  return `FROM scratch
ADD root.tar /
COPY --from=${build} /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=${build} /usr/lib/os-release /etc/os-release
ENV PATH=/usr/local/bin:/usr/bin:/bin
`
}

async function buildFrom(text: string, image: string, context: string, say: Say): Promise<void> {
  const dockerfile = join(context, 'Dockerfile')
  await writeFile(dockerfile, text)
  await buildImage({ image, context, dockerfile }, say)
}

const layersKept = 8

/** Builds a Dockerfile with buildah; layers are kept, so that what has not changed is not built again. */
export async function buildImage({ image, context, dockerfile, args = {} }: Build, say: Say): Promise<void> {
  await providePackages(['buildah'], say)
  await buildah([
    ...['build', '--isolation', 'chroot', '--pull-never', '--layers', '--quiet', '--tag', image, ...(await trust())],
    ...(await ignoreFile(dockerfile)),
    ...Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
    ...['--file', dockerfile, context],
  ])
  await removeOldLayers()
}

/** The newest layers make the next build quick; older ones would fill the disk. */
async function removeOldLayers(): Promise<void> {
  const listed = await buildah(['images', '--filter', 'dangling=true', '--json'])
  const images = JSON.parse(listed || '[]') as { id: string; created: number }[]
  const old = images.toSorted((a, b) => b.created - a.created).slice(layersKept)
  // One that others are built on stays until they are gone.
  for (const { id } of old) await buildah(['rmi', id]).catch(() => {})
}

/** The argument for a `<Dockerfile>.dockerignore`, which docker finds by itself. */
export async function ignoreFile(dockerfile: string): Promise<string[]> {
  const file = `${dockerfile}.dockerignore`
  return (await exists(file)) ? ['--ignorefile', file] : []
}

/** Steps reach the package registries through the host's network, and trust whom the host trusts. */
async function trust(): Promise<string[]> {
  const certificates = '/etc/ssl/certs'
  if (!(await exists(join(certificates, 'ca-certificates.crt')))) return []
  const npmrc = join(await temporaryDirectory('npmrc'), 'npmrc')
  await writeFile(npmrc, `cafile=${certificates}/ca-certificates.crt\n`)
  return ['--volume', `${certificates}:${certificates}:ro`, '--volume', `${npmrc}:/usr/local/etc/npmrc:ro`]
}

/** Writes an archive as `docker save` does: it has no compressed layers, which would take most of the time. */
export async function saveImage(image: string, archive: string): Promise<void> {
  await mkdir(join(archive, '..'), { recursive: true })
  const unfinished = `${archive}.${process.pid}`
  await buildah(['push', '--quiet', image, `docker-archive:${unfinished}:${image}`])
  await rename(unfinished, archive)
}

async function hasImage(image: string): Promise<boolean> {
  return buildah(['inspect', '--type', 'image', image]).then(
    () => true,
    () => false,
  )
}

/** Runs buildah and returns its output. */
export function buildah(args: readonly string[]): Promise<string> {
  const [program = '', ...rest] = buildahCommand(args)
  return run(program, rest)
}

/** Buildah with a storage of its own: the user's images are nobody else's business. */
export function buildahCommand(args: readonly string[]): string[] {
  const storage = join(imagesDirectory(), 'buildah')
  return ['buildah', '--root', join(storage, 'root'), '--runroot', join(storage, 'run'), ...args]
}

function imagesDirectory(): string {
  return join(toolsDirectory(), 'images')
}

/** A Debian root file system; without what a container never reads. */
async function debianRoot(variant: 'essential' | 'extract', packages: readonly string[], tar: string): Promise<void> {
  const { VERSION_CODENAME: suite = 'bookworm' } = Object.fromEntries(
    (await readFile('/etc/os-release', 'utf8')).split('\n').map((line) => line.split('=')),
  ) as Record<string, string>
  const sources = '/etc/apt/sources.list.d/debian.sources'
  const without = ['doc', 'man', 'locale'].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`)
  const include = `--include=${packages.join(',')}`
  const from = (await exists(sources)) ? sources : '/etc/apt/sources.list'
  await run('mmdebstrap', ['--quiet', `--variant=${variant}`, include, ...without, suite, tar, from])
}

/** Unpacks a package of npm's registry. */
async function packageOf(name: string, folder: string): Promise<void> {
  const work = await temporaryDirectory('npm-pack')
  await mkdir(folder, { recursive: true })
  const [packed] = JSON.parse(await run('npm', ['pack', '--json', name], { cwd: work })) as [{ filename: string }]
  await run('tar', ['xzf', join(work, packed.filename), '-C', folder, '--strip-components=1'])
  await rm(work, { recursive: true })
}

/** The Node that package.json pins, and the npm that wrote the lock file. */
async function nodeVersions(): Promise<{ node: string; npm: string }> {
  const { devDependencies } = JSON.parse(await readFile(join(import.meta.dirname, '../../package.json'), 'utf8')) as {
    devDependencies: { node: string }
  }
  return { node: devDependencies.node, npm: '11.19.1' }
}

function architecture(): string {
  return process.arch === 'arm64' ? 'arm64' : 'x64'
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
