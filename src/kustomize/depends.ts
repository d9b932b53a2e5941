/** dependsOn: which Kustomizations have to be ready first. */

import type { Kustomization } from '../api/kustomization.ts'
import { isReady } from '../api/meta.ts'
import { type Key, keyOf, keyText } from '../api/object.ts'
import type { Store } from '../kube/informer.ts'
import { type Condition, compileCondition } from '../lib/cel/index.ts'
import { formatDuration } from '../lib/duration.ts'
import { messageOf } from '../lib/errors.ts'
import { type Context, Stalled, Waiting } from '../runtime/reconcile.ts'
import { eventMetadata, type Revision, sourceKeyOf } from './source.ts'
import { allKustomizations } from './stores.ts'

/**
 * Returns when every dependency is ready, for a source that both share at the same revision. They are read from the store: it is fed by
 * the same watch that brought this object, so it is never behind what the object was written after.
 * @throws Waiting DependencyNotReady with the first that is not, Stalled InvalidCELExpression for a readyExpr that cannot work.
 */
export async function dependenciesReady(ks: Kustomization, revision: Revision, context: Context<Kustomization>): Promise<void> {
  if (!ks.spec.dependsOn?.length) return
  const kustomizations = allKustomizations(context)
  await kustomizations.synced(context.signal)
  for (const { readyExpr, ...reference } of ks.spec.dependsOn) {
    const key = keyOfReference(ks, reference)
    const dependency = kustomizations.store.get(key)
    const unmet = dependency && readyExpr ? problemOfExpression(ks, dependency, readyExpr) : undefined
    const isExpressionEnough = readyExpr && dependency && !context.flags.featureGates.get('AdditiveCELDependencyCheck')
    const problem = unmet ?? (isExpressionEnough ? undefined : problemOf(ks, key, revision.revision, kustomizations.store))
    if (problem !== undefined) throw notReady(problem, revision, context)
  }
}

function notReady(problem: string, revision: Revision, context: Context<Kustomization>): Waiting {
  const retryMs = context.flags.requeueDependencyMs
  const message = `Dependencies do not meet ready condition, retrying in ${formatDuration(retryMs)}`
  context.event({ severity: 'info', reason: 'DependencyNotReady', message, metadata: eventMetadata(revision) })
  return new Waiting('DependencyNotReady', problem, { retryMs })
}

/** What `readyExpr` has against a dependency; undefined when it holds. */
function problemOfExpression(ks: Kustomization, dependency: Kustomization, readyExpr: string): string | undefined {
  let condition: Condition
  try {
    condition = compileCondition(readyExpr, { variables: ['self', 'dep'] })
  } catch (error) {
    const cause = `failed to evaluate dependency ${dependency.metadata.name}: ${messageOf(error)}`
    throw new Stalled('InvalidCELExpression', `Reconciliation failed terminally due to configuration error: ${cause}`)
  }
  try {
    const holds = condition.holds({ self: ks, dep: dependency })
    return holds ? undefined : `dependency '${keyText(keyOf(dependency))}' is not ready according to readyExpr eval`
  } catch (error) {
    return messageOf(error)
  }
}

export function dependenciesOf(ks: Kustomization): Key[] {
  return (ks.spec.dependsOn ?? []).map((reference) => keyOfReference(ks, reference))
}

function keyOfReference(ks: Kustomization, { namespace, name }: { readonly namespace?: string; readonly name: string }): Key {
  return { namespace: namespace || ks.metadata.namespace, name }
}

/** Why a dependency is not met, in Flux's words and then in ours; undefined when it is. */
export function problemOf(
  ks: Kustomization,
  key: Key,
  revision: string,
  store: Pick<Store<Kustomization>, 'get'>,
): string | undefined {
  const name = `dependency '${keyText(key)}'`
  const dependency = store.get(key)
  if (!dependency) return `${name} not found: kustomizations.kustomize.toolkit.fluxcd.io "${key.name}" not found`
  const isSettled = isMet(dependency)
  const isUpToDate = sourceKeyOf(dependency) !== sourceKeyOf(ks) || dependency.status?.lastAppliedRevision === revision
  if (isSettled && isUpToDate) return undefined
  const problem = isSettled ? `${name} revision is not up to date` : `${name} is not ready`
  const cycle = cycleThrough(keyOf(ks), key, store)
  if (cycle)
    return `${problem}: these depend on each other in a circle: ${cycle.map(keyText).join(' -> ')}; remove one dependsOn of it`
  return dependency.spec.suspend ? `${problem}: it is suspended` : problem
}

/** Whether it is ready in its present generation. */
export function isMet(ks: Kustomization): boolean {
  return isReady(ks) && ks.status?.observedGeneration === ks.metadata.generation
}

/** The way from an object through one of its dependencies back to itself. */
function cycleThrough(start: Key, first: Key, store: Pick<Store<Kustomization>, 'get'>): Key[] | undefined {
  const cameFrom = new Map<string, Key>([[keyText(first), start]])
  const found = [first]
  for (const key of found) {
    if (keyText(key) === keyText(start)) return wayTo(start, cameFrom)
    const dependency = store.get(key)
    for (const next of dependency ? dependenciesOf(dependency) : []) {
      if (cameFrom.has(keyText(next))) continue
      cameFrom.set(keyText(next), key)
      found.push(next)
    }
  }
  return undefined
}

function wayTo(start: Key, cameFrom: ReadonlyMap<string, Key>): Key[] {
  const way = [start]
  for (let at = cameFrom.get(keyText(start)); at; at = cameFrom.get(keyText(at))) {
    way.unshift(at)
    if (keyText(at) === keyText(start)) break
  }
  return way
}

/**
 * The same objects with dependencies before their dependents, else in the order given; members of a circle come in some order.
 * Source: github.com/fluxcd/pkg/runtime/dependency Sort, which gives up on a circle.
 */
export function sortedByDependency(objects: readonly Kustomization[]): Kustomization[] {
  const byKey = new Map(objects.map((ks) => [keyText(keyOf(ks)), ks]))
  const sorted = new Set<Kustomization>()
  const entered = new Set<Kustomization>()
  for (const root of objects) {
    const stack = [root]
    for (let ks = stack.at(-1); ks; ks = stack.at(-1)) {
      const isFirstVisit = !entered.has(ks)
      entered.add(ks)
      const pending = isFirstVisit ? dependenciesOf(ks).map((key) => byKey.get(keyText(key))) : []
      const open = pending.filter((dependency) => dependency !== undefined && !entered.has(dependency))
      if (open.length > 0) {
        stack.push(...open.filter((dependency) => dependency !== undefined).reverse())
      } else {
        sorted.add(ks)
        stack.pop()
      }
    }
  }
  return [...sorted]
}
