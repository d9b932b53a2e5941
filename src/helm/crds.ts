/** The CRDs of a chart: applied before anything else, part of no release, never deleted. Source: helm-controller internal/action/crds.go. */
import { displayName, type KubeObject, refOf } from '../api/object.ts'
import { isCrd } from '../kube/stages.ts'
import { ApiError } from '../kube/transport.ts'
import { messageOf } from '../lib/errors.ts'
import type { ActionContext, Desired } from './action.ts'
import { originLabels } from './postrender.ts'
import { untilHealthy } from './wait.ts'
import { type Item, type Method, writeItem } from './write.ts'

export type CrdsPolicy = 'Skip' | 'Create' | 'CreateReplace'

const establishedWithinMs = 60_000

export interface CrdsOptions {
  readonly policy: CrdsPolicy
  readonly method: Pick<Method, 'serverSide'>
}

/** @throws Error naming the CRD that is refused, or not established in time. */
export async function applyCrds(desired: Desired, options: CrdsOptions, context: ActionContext): Promise<void> {
  if (options.policy === 'Skip') return
  try {
    await applyAll(desired, options, context)
  } catch (error) {
    throw new Error(`failed to apply CustomResourceDefinitions: ${messageOf(error)}`, { cause: error })
  }
}

async function applyAll(desired: Desired, options: CrdsOptions, context: ActionContext): Promise<void> {
  const documents = await context.render.crds(desired)
  const others = documents.filter((document) => !isCrd(document)).map((document) => displayName(refOf(document)))
  if (others.length > 0) {
    const advice = 'move them to templates/'
    context.log.warn({ objects: others.join(', ') }, `objects in the crds folder that are no CRDs are not applied: ${advice}`)
  }
  const written: Item[] = []
  for (const document of documents.filter(isCrd)) {
    const object = labelled(document, context)
    const item = { ref: refOf(object), object }
    if (await applyCrd(item, options, context)) written.push(item)
  }
  if (written.length === 0) return
  await untilHealthy(written, { timeoutMs: establishedWithinMs, forJobs: false }, context).catch((error) => {
    throw new Error(`failed to wait for CustomResourceDefinition(s): ${messageOf(error)}`, { cause: error })
  })
  for (const { object } of written) context.client.discovery.forget(groupOf(object))
}

/** Whether it was written. */
async function applyCrd(item: Item, { policy, method: { serverSide } }: CrdsOptions, context: ActionContext): Promise<boolean> {
  const { client, signal } = context
  try {
    if (policy === 'Create' && (await client.find(item.ref, { metadataOnly: true, signal }))) return false
    await writeItem(item, { serverSide, replaces: true, before: item.object }, context)
    return true
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    const verb = policy === 'Create' ? 'create' : 'update'
    throw new Error(`failed to ${verb} CustomResourceDefinition ${item.ref.name}: ${messageOf(error)}`, { cause: error })
  }
}

function labelled(object: KubeObject, { owner }: ActionContext): KubeObject {
  const labels = { ...object.metadata.labels, ...originLabels(owner) }
  return { ...object, metadata: { ...object.metadata, labels } }
}

function groupOf({ spec }: KubeObject): string | undefined {
  return typeof spec === 'object' && spec !== null && 'group' in spec ? String(spec.group) : undefined
}
