/** dependsOn between objects of one kind: which of them are ready, in which order they go, and where they go in circles. */
import { type FluxObject, isReady } from '../api/meta.ts'
import { type Key, keyOf, keyText } from '../api/object.ts'
import type { Store } from '../kube/informer.ts'
import { type Condition, compileCondition } from '../lib/cel/index.ts'
import { messageOf } from '../lib/errors.ts'
import { Stalled } from './reconcile.ts'

export interface Reference {
  readonly name: string
  readonly namespace?: string
  readonly readyExpr?: string
}

/** An object that waits for others of its kind. */
export type Dependent = FluxObject<{ readonly dependsOn?: readonly Reference[] }>

export function dependenciesOf(object: Dependent): Key[] {
  return (object.spec.dependsOn ?? []).map((reference) => keyOfReference(object, reference))
}

export function keyOfReference({ metadata }: Dependent, { namespace, name }: Omit<Reference, 'readyExpr'>): Key {
  return { namespace: namespace || metadata.namespace, name }
}

/** Whether it is ready in its present generation. */
export function isMet(object: FluxObject): boolean {
  return isReady(object) && object.status?.observedGeneration === object.metadata.generation
}

/**
 * What `readyExpr` has against a dependency; undefined when it holds.
 * @throws Stalled InvalidCELExpression for one that cannot work.
 */
export function problemOfExpression(object: Dependent, dependency: Dependent, readyExpr: string): string | undefined {
  let condition: Condition
  try {
    condition = compileCondition(readyExpr, { variables: ['self', 'dep'] })
  } catch (error) {
    const cause = `failed to evaluate dependency ${dependency.metadata.name}: ${messageOf(error)}`
    throw new Stalled('InvalidCELExpression', `Reconciliation failed terminally due to configuration error: ${cause}`)
  }
  try {
    const holds = condition.holds({ self: object, dep: dependency })
    return holds ? undefined : `dependency '${keyText(keyOf(dependency))}' is not ready according to readyExpr eval`
  } catch (error) {
    return messageOf(error)
  }
}

/** A problem with a dependency and what a person should know of it: that both wait for each other, or that it is suspended. */
export function explained<T extends Dependent>(problem: string, object: T, dependency: T, store: Pick<Store<T>, 'get'>): string {
  const cycle = cycleThrough(keyOf(object), keyOf(dependency), store)
  if (cycle)
    return `${problem}: these depend on each other in a circle: ${cycle.map(keyText).join(' -> ')}; remove one dependsOn of it`
  return dependency.spec.suspend ? `${problem}: it is suspended` : problem
}

/** The way from an object through one of its dependencies back to itself. */
function cycleThrough<T extends Dependent>(start: Key, first: Key, store: Pick<Store<T>, 'get'>): Key[] | undefined {
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
export function sortedByDependency<T extends Dependent>(objects: readonly T[]): T[] {
  const byKey = new Map(objects.map((object) => [keyText(keyOf(object)), object]))
  const sorted = new Set<T>()
  const entered = new Set<T>()
  for (const root of objects) {
    const stack = [root]
    for (let object = stack.at(-1); object; object = stack.at(-1)) {
      const isFirstVisit = !entered.has(object)
      entered.add(object)
      const pending = isFirstVisit ? dependenciesOf(object).map((key) => byKey.get(keyText(key))) : []
      const open = pending.filter((dependency) => dependency !== undefined && !entered.has(dependency))
      if (open.length > 0) {
        stack.push(...open.filter((dependency) => dependency !== undefined).reverse())
      } else {
        sorted.add(object)
        stack.pop()
      }
    }
  }
  return [...sorted]
}
