/** The source of a Kustomization: which artifact it applies. */
import type { Kustomization } from '../api/kustomization.ts'
import type { Artifact } from '../api/meta.ts'
import { type Key, keyOf, keyText } from '../api/object.ts'
import type { Store } from '../kube/informer.ts'
import { formatDuration, parseDuration } from '../lib/duration.ts'
import { messageOf } from '../lib/errors.ts'
import { ArtifactNotFound, ArtifactUnavailable, type UnpackedArtifact } from '../runtime/artifacts.ts'
import type { Downloads } from '../runtime/downloads.ts'
import { type Context, type EventDraft, Retryable, Stalled, Waiting } from '../runtime/reconcile.ts'
import { allSources, sourceKinds } from './stores.ts'

/** What a run applies: a revision of the source, and the revision that this was itself made from, where the source tells. */
export interface Revision {
  readonly revision: string
  readonly originRevision?: string
}

export interface Source extends Revision {
  readonly artifact: Artifact
}

/**
 * The source with its artifact, from the store.
 * @throws Stalled where the reference is not allowed, Waiting for a source that does not exist or has no artifact yet.
 */
export async function readySource(ks: Kustomization, context: Context<Kustomization>): Promise<Source> {
  const { kind } = ks.spec.sourceRef
  const key = sourceObjectKey(ks)
  if (context.flags.noCrossNamespaceRefs && key.namespace !== ks.metadata.namespace) {
    const message = `can't access '${kind}/${keyText(key)}', cross-namespace references have been blocked`
    throw new Stalled('AccessDenied', message, { observed: false })
  }
  if (kind === 'ExternalArtifact' && !context.flags.featureGates.get('ExternalArtifact')) {
    const message = `can't access '${kind}/${keyText(key)}', ExternalArtifact feature gate is disabled`
    throw new Stalled('AccessDenied', message, { observed: false })
  }
  const kinds = sourceKinds(context.flags)
  const sourceKind = kinds.find((one) => one.kind === kind)
  if (!sourceKind) {
    const known = kinds.map((one) => one.kind).join(' or ')
    throw new Stalled('UnsupportedField', `spec.sourceRef.kind ${kind} is not implemented in this version: use ${known}`)
  }
  const sources = allSources(sourceKind, context)
  await sources.synced(context.signal)
  const source = sources.store.get(key)
  if (!source) {
    const message = `${kind}.${sourceKind.group} "${key.name}" not found`
    throw new Waiting('ArtifactFailed', message, { retryMs: retryIntervalMs(ks) })
  }
  const artifact = source.status?.artifact
  if (!artifact) throw notYet(context, 'Source artifact not found')
  const originRevision = artifact.metadata?.['org.opencontainers.image.revision']
  return { artifact, revision: artifact.revision, ...(originRevision && { originRevision }) }
}

/**
 * The artifact's files. It may have to be downloaded and unpacked first, which holds no worker: one dead address must not hold up
 * the Kustomizations of other sources.
 * @throws Waiting while the server does not have it or does not answer, Retryable when it cannot be fetched or verified.
 */
export function openArtifact(ks: Kustomization, source: Source, { context, downloads }: Opening): Promise<UnpackedArtifact> {
  const open = async (signal: AbortSignal) => {
    try {
      const unpacked = await context.artifacts.open(source.artifact, signal)
      downloads.forget(keyOf(ks))
      return unpacked
    } catch (error) {
      throw signal.aborted ? error : notOpened(error, ks, source, { context, downloads })
    }
  }
  return context.parked(open, { early: true })
}

interface Opening {
  readonly context: Context<Kustomization>
  readonly downloads: Downloads
}

function notOpened(error: unknown, ks: Kustomization, source: Source, { context, downloads }: Opening): Error {
  if (error instanceof ArtifactNotFound) return notYet(context, 'Source is not ready, artifact not found')
  const retryMs = error instanceof ArtifactUnavailable ? downloads.failed(keyOf(ks), context.flags.httpRetry) : undefined
  if (retryMs === undefined) return failure(ks, source, 'ArtifactFailed', messageOf(error), error)
  return new Waiting('ArtifactFailed', `${messageOf(error)}, retrying in ${formatDuration(retryMs)}`, { retryMs })
}

function notYet(context: Context<Kustomization>, what: string): Waiting {
  const retryMs = context.flags.requeueDependencyMs
  return new Waiting('ArtifactFailed', `${what}, retrying in ${formatDuration(retryMs)}`, { retryMs })
}

/** `<Kind>/<namespace>/<name>` of the source: equal for Kustomizations that share one. */
export function sourceKeyOf(ks: Kustomization): string {
  return `${ks.spec.sourceRef.kind}/${keyText(sourceObjectKey(ks))}`
}

/** Finds the Kustomizations of a source by its `sourceKeyOf`. */
export function consumersIndex(store: Store<Kustomization>): (sourceKey: string) => readonly Kustomization[] {
  return store.index('sourceRef', (ks) => [sourceKeyOf(ks)])
}

function sourceObjectKey(ks: Kustomization): Key {
  const { namespace, name } = ks.spec.sourceRef
  return { namespace: namespace || ks.metadata.namespace, name }
}

export function eventMetadata({ revision, originRevision }: Revision): NonNullable<EventDraft['metadata']> {
  return { revision, ...(originRevision && { originRevision }) }
}

/** A run that failed at a revision: tried again as often as told, without backoff. */
export function failure(ks: Kustomization, revision: Revision, reason: string, message: string, cause?: unknown): Retryable {
  return new Retryable(reason, message, { cause, retryMs: retryIntervalMs(ks), metadata: eventMetadata(revision) })
}

function retryIntervalMs(ks: Kustomization): number {
  return parseDuration(ks.spec.retryInterval ?? ks.spec.interval)
}
