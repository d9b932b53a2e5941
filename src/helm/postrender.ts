/** What is changed about rendered objects before they are stored and applied. Source: helm-controller internal/postrender. */
import type { HelmReleaseSpec } from '../api/helmrelease.ts'
import { isRecord, type Json, type JsonObject, printJson } from '../lib/json.ts'
import { build } from '../lib/kustomize/index.ts'
import { memoryTree } from '../lib/tree.ts'
import { emit } from '../lib/yaml/index.ts'
import type { Changes } from './render-task.ts'

type Kustomize = NonNullable<NonNullable<HelmReleaseSpec['postRenderers']>[number]['kustomize']>
type Entries = Readonly<Record<string, string>>

const group = 'helm.toolkit.fluxcd.io'

/** The labels that tell which HelmRelease an object belongs to. */
export function originLabels({ namespace, name }: Changes['owner']): Entries {
  return { [`${group}/name`]: name, [`${group}/namespace`]: namespace }
}

/** Changes a stream of documents: each post-renderer in its order, then the common metadata, last the labels of origin. */
export async function changed(documents: string, { postRenderers = [], commonMetadata, owner }: Changes): Promise<string> {
  if (documents.trim() === '') return documents
  const steps = postRenderers.flatMap(({ kustomize }) => (kustomize ? [kustomize] : []))
  let text = documents
  for (const step of steps) text = (await kustomized(text, step)).map(emit).join('---\n')
  const labels = { ...commonMetadata?.labels, ...originLabels(owner) }
  const objects = await kustomized(text, {})
  return objects.map((object) => emit(withMetadata(object, labels, commonMetadata?.annotations ?? {}))).join('---\n')
}

const input = 'helm-output.yaml'

async function kustomized(documents: string, { patches = [], images = [] }: Kustomize): Promise<readonly JsonObject[]> {
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: [input],
    ...(patches.length > 0 && { patches }),
    ...(images.length > 0 && { images }),
  }
  const tree = memoryTree([
    [input, documents],
    ['kustomization.yaml', printJson(kustomization)],
  ])
  const { resources } = await build(tree, '', { loadRestrictor: 'LoadRestrictionsNone' })
  return resources
}

function withMetadata(object: JsonObject, labels: Entries, annotations: Entries): JsonObject {
  const metadata = isRecord(object.metadata) ? object.metadata : {}
  return {
    ...object,
    metadata: {
      ...metadata,
      ...entries('labels', metadata.labels, labels),
      ...entries('annotations', metadata.annotations, annotations),
    },
  } as JsonObject
}

function entries(field: string, own: unknown, added: Entries): Record<string, Json> {
  if (Object.keys(added).length === 0) return {}
  return { [field]: { ...(isRecord(own) ? own : {}), ...added } as JsonObject }
}
