/** Metadata of events: what is kept of it, what identifies an event, and what people get to see. */
import { createHash } from 'node:crypto'
import type { Alert } from '../api/alert.ts'
import { eventGroup, eventMetadata, type FluxEvent } from '../api/event.ts'

type Metadata = Readonly<Record<string, string>>

/** API group of the object that an event is about. */
export function groupOf({ involvedObject: { apiVersion = '' } }: FluxEvent): string {
  const slash = apiVersion.indexOf('/')
  return slash < 0 ? '' : apiVersion.slice(0, slash)
}

/** The value under a key of the object's own group. */
export function ownMetadata(event: FluxEvent, key: string): string | undefined {
  return valueAt(event.metadata, `${groupOf(event)}/${key}`)
}

/** The value under a key that the object's annotations brought along. */
export function annotatedMetadata(event: FluxEvent, key: string): string | undefined {
  return valueAt(event.metadata, `${eventGroup}/${key}`)
}

function valueAt(metadata: Metadata | undefined, key: string): string | undefined {
  return metadata && Object.hasOwn(metadata, key) ? metadata[key] : undefined
}

/** Without what has no place in a notification: keys of other groups, checksums and digests. Source: cleanupMetadata. */
export function cleaned(event: FluxEvent): FluxEvent {
  const group = groupOf(event)
  const dropped = [eventMetadata.checksum, eventMetadata.digest].map((key) => `${group}/${key}`.toLowerCase())
  const entries = Object.entries(event.metadata ?? {}).filter(
    ([key]) => (key.startsWith(`${eventGroup}/`) || key.startsWith(`${group}/`)) && !dropped.includes(key.toLowerCase()),
  )
  return { ...event, metadata: Object.fromEntries(entries) }
}

/** Without the token, which only tells events apart. */
export function withoutToken(event: FluxEvent): FluxEvent {
  const token = `${groupOf(event)}/${eventMetadata.token}`
  return { ...event, metadata: Object.fromEntries(Object.entries(event.metadata ?? {}).filter(([key]) => key !== token)) }
}

/** Events with the same key within the rate limit's interval are duplicates. Source: eventKeyFunc. */
export function duplicateKey(event: FluxEvent): string {
  const { kind, namespace, name } = event.involvedObject
  const revisions = [eventMetadata.originRevision, eventMetadata.revision, eventMetadata.token]
  const identity = [kind, namespace, name, event.message, ...revisions.map((key) => ownMetadata(event, key) ?? null)]
  // Many are remembered, and messages may be long.
  return createHash('sha256').update(JSON.stringify(identity)).digest('base64')
}

/** What people get to see, and which keys more than one source gave: key → names of the sources. */
export interface CombinedMetadata {
  readonly metadata: Metadata
  readonly conflicts: Readonly<Record<string, string>>
}

/**
 * Later wins: the object's annotations, the Alert's eventMetadata, its summary, what the controller said. Prefixes are gone.
 * Source: combineEventMetadata (Flux RFC 0008).
 */
export function combined(event: FluxEvent, { spec }: Alert): CombinedMetadata {
  const sources: readonly (readonly [string, Metadata])[] = [
    ['involved object annotations', withoutPrefix(event, eventGroup)],
    ['Alert object .spec.eventMetadata', spec.eventMetadata ?? {}],
    ['Alert object .spec.summary', spec.summary ? { summary: spec.summary } : {}],
    ['involved object controller metadata', withoutPrefix(event, groupOf(event))],
  ]
  const all = new Map<string, { readonly value: string; readonly from: readonly string[] }>()
  for (const [source, metadata] of sources)
    for (const [key, value] of Object.entries(metadata)) all.set(key, { value, from: [...(all.get(key)?.from ?? []), source] })
  const conflicts = [...all].filter(([, { from }]) => from.length > 1)
  return {
    metadata: Object.fromEntries([...all].map(([key, { value }]) => [key, value])),
    conflicts: Object.fromEntries(conflicts.map(([key, { from }]) => [key, from.join(', ')])),
  }
}

function withoutPrefix({ metadata = {} }: FluxEvent, group: string): Metadata {
  const prefix = `${group}/`
  const own = Object.entries(metadata).filter(([key]) => key.startsWith(prefix))
  return Object.fromEntries(own.map(([key, value]) => [key.slice(prefix.length), value]))
}
