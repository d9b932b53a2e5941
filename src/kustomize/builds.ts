/** What each Kustomization wants, built anew only when something that its last build looked at has changed. */
import { createHash } from 'node:crypto'
import type { Kustomization } from '../api/kustomization.ts'
import { type Key, type KubeObject, keyOf, keyText } from '../api/object.ts'
import type { ManifestItem, Manifests } from '../kube/applier.ts'
import { printJson } from '../lib/json.ts'
import type { UnpackedArtifact } from '../runtime/artifacts.ts'
import type { Environment } from '../runtime/reconcile.ts'
import { type BuildInput, type BuildOutput, buildTask } from './build-task.ts'
import type { Settings } from './generate.ts'
import { timeoutMs } from './health.ts'
import type { Substitution } from './variables.ts'

/** What is remembered of a Kustomization's last build; bodies are not. */
interface Remembered {
  readonly items: readonly ManifestItem[]
  readonly digest: string
  readonly reads: readonly string[]
  readonly lists: readonly string[]
  /** Hash of what the spec and the flags say about the build. */
  readonly settings: string
  /** Hash of the variables. */
  readonly variables: string
  /** Hash of what the artifact has at `reads` and `lists`. */
  readonly files: string
  readonly mayMove: boolean
}

export interface WantedObjects extends Manifests {
  /** `sha256:<hex>` of the manifests. */
  readonly digest: string
}

export interface BuildRequest {
  readonly unpacked: UnpackedArtifact
  readonly substitution: Substitution | undefined
  readonly environment: Pick<Environment, 'workers' | 'log' | 'flags'>
  readonly signal: AbortSignal
}

export class Builds {
  readonly #remembered = new Map<string, Remembered>()
  readonly #onBuild: (key: Key) => void

  /** @param onBuild called at each build that is really run. */
  constructor(onBuild: (key: Key) => void = () => {}) {
    this.#onBuild = onBuild
  }

  /**
   * The manifests of a Kustomization in an artifact. When nothing that the last build looked at has changed, they come from memory, and
   * their bodies are built only if somebody asks for them.
   * @throws what the build throws: an Error whose message names the file.
   */
  async of(ks: Kustomization, request: BuildRequest): Promise<WantedObjects> {
    const key = keyText(keyOf(ks))
    const input = inputOf(ks, request)
    const settings = settingsHash(input)
    const variables = variablesHash(request.substitution)
    const known = this.#remembered.get(key)
    if (known && known.settings === settings && known.variables === variables && isCurrent(known, request.unpacked)) {
      const { items, digest } = known
      return { items, digest, load: once(async () => (await this.#build(ks, input, request)).objects) }
    }
    const { objects, items, digest, reads, lists, mayMove } = await this.#build(ks, input, request)
    const files = filesHash(request.unpacked, { reads, lists })
    this.#remembered.set(key, { items, digest, reads, lists, settings, variables, files, mayMove })
    return { items, digest, load: async () => objects }
  }

  /** The items of the last build if it would give the same in this artifact, whatever its variables are now. */
  known(ks: Kustomization, unpacked: UnpackedArtifact): readonly ManifestItem[] | undefined {
    const known = this.#remembered.get(keyText(keyOf(ks)))
    const settings = settingsHash(inputOf(ks, { unpacked, substitution: undefined }))
    return known?.settings === settings && isCurrent(known, unpacked) ? known.items : undefined
  }

  forget(key: Key): void {
    this.#remembered.delete(keyText(key))
  }

  async #build(ks: Kustomization, input: LocalInput, { environment, signal }: BuildRequest): Promise<BuildOutput> {
    this.#onBuild(keyOf(ks))
    const remoteTimeoutMs = environment.flags.noRemoteBases ? undefined : timeoutMs(ks) * remoteShare
    const output = await environment.workers.run(buildTask, { ...input, remoteTimeoutMs }, { signal, timeoutMs: timeoutMs(ks) })
    for (const warning of output.warnings) environment.log.info({ warning }, 'kustomize build warning')
    return output
  }
}

/** Slow servers are to end the build, not the thread that it runs in: others build there too. */
const remoteShare = 0.9

type LocalInput = Omit<BuildInput, 'remoteTimeoutMs'>

function inputOf(ks: Kustomization, request: Pick<BuildRequest, 'unpacked' | 'substitution'>): LocalInput {
  const { unpacked, substitution } = request
  const { targetNamespace, namePrefix, nameSuffix, patches, components, ignoreMissingComponents, images, buildMetadata } = ks.spec
  const settings = { targetNamespace, namePrefix, nameSuffix, patches, components, ignoreMissingComponents, images, buildMetadata }
  return {
    directory: unpacked.directory,
    path: ks.spec.path ?? '',
    settings: defined(settings),
    commonMetadata: ks.spec.commonMetadata,
    substitution,
  }
}

function defined(settings: { readonly [F in keyof Settings]?: Settings[F] | undefined }): Settings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))
}

function settingsHash({ directory: _, substitution: __, ...settings }: LocalInput): string {
  return sha256([printJson(settings)])
}

/** Variables are remembered by their hash alone: a Secret's values stay nowhere. */
function variablesHash(substitution: Substitution | undefined): string {
  if (!substitution) return ''
  const sorted = [...substitution.variables].sort(([a], [b]) => (a < b ? -1 : 1))
  return sha256([String(substitution.strict), ...sorted.flat()])
}

/** Remote content that may have moved is looked at in each run, as Flux does. */
function isCurrent(known: Remembered, unpacked: UnpackedArtifact): boolean {
  return !known.mayMove && known.files === filesHash(unpacked, known)
}

function filesHash(unpacked: UnpackedArtifact, { reads, lists }: Pick<Remembered, 'reads' | 'lists'>): string {
  const directories = directoriesOf(unpacked)
  return sha256([
    ...reads.map((path) => `${path}\0${unpacked.files.get(path) ?? ''}`),
    ...lists.map((path) => `${path}\0${directories.get(path) ?? ''}`),
  ])
}

const directoriesByArtifact = new WeakMap<UnpackedArtifact, ReadonlyMap<string, string>>()

/** Path of each directory that holds files → the names in it, as one text. */
function directoriesOf(unpacked: UnpackedArtifact): ReadonlyMap<string, string> {
  const known = directoriesByArtifact.get(unpacked)
  if (known) return known
  const names = new Map<string, Set<string>>()
  for (const file of unpacked.files.keys()) {
    const parts = file.split('/')
    for (let depth = parts.length - 1; depth >= 0; depth--) {
      const directory = parts.slice(0, depth).join('/')
      const entries = names.get(directory) ?? new Set()
      names.set(directory, entries.add(`${parts[depth]}${depth < parts.length - 1 ? '/' : ''}`))
    }
  }
  const directories = new Map([...names].map(([directory, entries]) => [directory, [...entries].sort().join('\0')]))
  directoriesByArtifact.set(unpacked, directories)
  return directories
}

function sha256(parts: readonly string[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(`${part.length}:${part}`)
  return hash.digest('hex')
}

function once(make: () => Promise<readonly KubeObject[]>): () => Promise<readonly KubeObject[]> {
  let made: Promise<readonly KubeObject[]> | undefined
  return () => {
    made ??= make()
    return made
  }
}
