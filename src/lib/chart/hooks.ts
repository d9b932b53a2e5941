/** Documents that run at events of a release. Source: helm pkg/release/v1/hook.go, util/manifest_sorter.go. */

import type { Hook } from './chart.ts'
import type { Head } from './manifests.ts'
import { trimSpace } from './space.ts'

export const hookAnnotation = 'helm.sh/hook'
export const hookWeightAnnotation = 'helm.sh/hook-weight'
export const hookDeleteAnnotation = 'helm.sh/hook-delete-policy'
export const hookOutputLogAnnotation = 'helm.sh/hook-output-log-policy'

/** Events by the names that charts may give them. */
const events: ReadonlyMap<string, string> = new Map([
  ...['pre-install', 'post-install', 'pre-delete', 'post-delete', 'pre-upgrade', 'post-upgrade'].map(
    (name) => [name, name] as const,
  ),
  ...['pre-rollback', 'post-rollback', 'test'].map((name) => [name, name] as const),
  // Helm 2's name.
  ['test-success', 'test'],
])

export function isHook({ metadata }: Head): boolean {
  return metadata?.annotations?.has(hookAnnotation) ?? false
}

/** The hook that a document is; none when one of its events is not known. */
export function hookOf(manifest: string, path: string, { kind, metadata }: Head): Hook[] {
  const annotations = metadata?.annotations ?? new Map<string, string>()
  const names = wordsOf(annotations.get(hookAnnotation)).map((word) => events.get(word))
  const known = names.filter((name) => name !== undefined)
  if (known.length < names.length) return []
  const hook: Hook = {
    name: metadata?.name ?? '',
    kind,
    path,
    manifest,
    events: known,
    weight: weightOf(annotations.get(hookWeightAnnotation)),
    deletePolicies: wordsOf(annotations.get(hookDeleteAnnotation)),
    outputLogPolicies: wordsOf(annotations.get(hookOutputLogAnnotation)),
  }
  return [hook]
}

/** Words between commas. Those of policies are not checked here. */
function wordsOf(text: string | undefined): string[] {
  return text === undefined ? [] : text.split(',').map((word) => trimSpace(word).toLowerCase())
}

/** Source: strconv.Atoi; what is no number is 0. */
function weightOf(text: string | undefined): number {
  if (text === undefined || !/^[+-]?[0-9]+$/.test(text)) return 0
  const value = BigInt(text.replace(/^\+/, ''))
  return value === BigInt.asIntN(64, value) ? Number(value) : 0
}

/** The hooks of an event in the order in which they run: by weight, those of one weight as they were. Source: pkg/action/hooks.go. */
export function hooksAt(event: string, hooks: readonly Hook[]): Hook[] {
  return hooks.filter(({ events }) => events.includes(event)).sort((a, b) => a.weight - b.weight)
}
