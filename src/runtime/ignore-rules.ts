/** `spec.ignore` and `spec.driftDetection.ignore`: which fields of which objects others may set. */
import type { ignoreRule } from '../api/fragments.ts'
import { gvkOf, type KubeObject } from '../api/object.ts'
import type { Infer } from '../api/schema.ts'
import { messageOf } from '../lib/errors.ts'
import { type CompiledSelector, compileSelector } from '../lib/kustomize/selector.ts'

type IgnoreRule = Infer<typeof ignoreRule>

/**
 * Finds the JSON pointers to ignore in an object; the empty one stands for all of it.
 * @throws Error naming the expression that cannot be parsed.
 */
export function compileIgnoreRules(rules: readonly IgnoreRule[]): (object: KubeObject) => readonly string[] {
  const compiled = rules.map(({ paths, target }) => ({ paths, matches: target ? compileTarget(target) : () => true }))
  return (object) => compiled.filter(({ matches }) => matches(object)).flatMap(({ paths }) => paths)
}

function compileTarget(target: NonNullable<IgnoreRule['target']>): (object: KubeObject) => boolean {
  const empty = { group: '', version: '', kind: '', name: '', namespace: '', labelSelector: '', annotationSelector: '' }
  try {
    const selector = compileSelector({ ...empty, ...target })
    // Selectors are parsed when they are first used: here that is now.
    selector.matchesLabels(new Map())
    selector.matchesAnnotations(new Map())
    return (object) => isSelected(object, selector)
  } catch (error) {
    throw new Error(`failed to create ignore rule selector: ${messageOf(error)}`, { cause: error })
  }
}

function isSelected(object: KubeObject, selector: CompiledSelector): boolean {
  const { name, namespace = '', labels = {}, annotations = {} } = object.metadata
  return (
    selector.matchesNamespace(namespace) &&
    selector.matchesName(name) &&
    selector.matchesKind(gvkOf(object)) &&
    selector.matchesLabels(new Map(Object.entries(labels))) &&
    selector.matchesAnnotations(new Map(Object.entries(annotations)))
  )
}
