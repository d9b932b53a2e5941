/** The history of releases in a cluster: a Secret for each revision. Source: helm pkg/storage, pkg/storage/driver/secrets.go. */
import type { KubeObject, ObjectRef } from '../api/object.ts'
import type { Client } from '../kube/client.ts'
import { decodeRelease, type Release, secretName, secretOf, userLabels } from '../lib/chart/index.ts'
import type { ReleaseStorage, RevisionMark } from './action.ts'

const fieldManager = 'helm-controller'

interface ReleaseObject extends KubeObject {
  readonly data?: { readonly release?: string }
}

/** `now`: milliseconds since 1970. */
export function releaseStorage(client: Client, namespace: string, now: () => number = Date.now): ReleaseStorage {
  const refOf = (name: string, version: number): ObjectRef => ({
    apiVersion: 'v1',
    kind: 'Secret',
    namespace,
    name: secretName(name, version),
  })
  const seconds = () => String(Math.floor(now() / 1000))

  async function history(name: string): Promise<readonly Release[]> {
    const labelSelector = `name=${name},owner=helm`
    const { items } = await client.list<ReleaseObject>({ apiVersion: 'v1', kind: 'Secret' }, { namespace, labelSelector })
    return items.flatMap(readable).toSorted((a, b) => b.version - a.version)
  }

  return {
    history,
    async revisions(name) {
      const labelSelector = `name=${name},owner=helm`
      const { items } = await client.list({ apiVersion: 'v1', kind: 'Secret' }, { namespace, labelSelector, metadataOnly: true })
      return items.map(markOf).toSorted((a, b) => b.version - a.version)
    },
    async last(name) {
      const [newest] = await history(name)
      return newest
    },
    async get(name, version) {
      const secret = await client.find<ReleaseObject>(refOf(name, version))
      return secret && read(secret)
    },
    async create(release) {
      const { name, type, labels, data } = stored(release)
      assertFits(release, data.release)
      const metadata = { name, namespace, labels: { ...labels, createdAt: seconds() } }
      await client.create({ apiVersion: 'v1', kind: 'Secret', metadata, type, data }, { fieldManager, metadataOnly: true })
    },
    async update(release) {
      const { labels, data } = stored(release)
      const patch = { metadata: { labels: { ...labels, modifiedAt: seconds() } }, data }
      await client.mergePatch(refOf(release.name, release.version), patch, { fieldManager, metadataOnly: true })
    },
    delete: (name, version) => client.delete(refOf(name, version)),
  }
}

function markOf({ metadata }: KubeObject): RevisionMark {
  const { name, uid, resourceVersion, managedFields = [] } = metadata
  return {
    version: Number(name.slice(name.lastIndexOf('.v') + 2)) || 0,
    mark: `${name} ${uid} ${resourceVersion}`,
    isOurs: managedFields.length > 0 && managedFields.every(({ manager }) => manager === fieldManager),
  }
}

function stored(release: Release) {
  const { name, type, labels, release: text } = secretOf(release)
  return { name, type, labels, data: { release: Buffer.from(text).toString('base64') } }
}

/** What all values of a Secret may take together. */
const mostBytes = 1024 * 1024

/** @throws Error: the API server would refuse it with less help. */
function assertFits({ name, version }: Release, base64: string): void {
  const bytes = Buffer.byteLength(base64, 'base64')
  if (bytes <= mostBytes) return
  const advice = 'take files that no template needs out of the chart, or split it'
  throw new Error(`release ${name}.v${version} takes ${bytes} bytes compressed, but a Secret holds ${mostBytes}: ${advice}`)
}

function read({ data, metadata }: ReleaseObject): Release {
  const release = decodeRelease(Buffer.from(data?.release ?? '', 'base64').toString())
  const labels = userLabels(metadata.labels ?? {})
  return labels.size > 0 ? { ...release, labels } : release
}

/** Helm passes over records that nobody can read, and so must we: one of them would block the release for good. */
function readable(secret: ReleaseObject): Release[] {
  try {
    return [read(secret)]
  } catch {
    return []
  }
}

/**
 * Deletes the oldest revisions until one more fits; the one that is deployed stays. `maximum` 0: all are kept.
 * Source: storage.removeLeastRecent.
 */
export async function makeRoom(storage: ReleaseStorage, name: string, maximum: number): Promise<void> {
  if (maximum <= 0) return
  const history = await storage.history(name)
  const surplus = history.length - (maximum - 1)
  if (surplus <= 0) return
  const deployed = history.find(({ info }) => info.status === 'deployed')
  const oldest = history.toReversed().filter(({ version }) => version !== deployed?.version)
  for (const { version } of oldest.slice(0, surplus)) await storage.delete(name, version)
}
