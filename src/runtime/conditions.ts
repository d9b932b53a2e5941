/**
 * The vocabulary of conditions that all kinds share, so that kstatus tools can read them: Ready always says how it is; Reconciling and
 * Stalled are there only while they are True.
 */
import type { Condition } from '../api/meta.ts'
import type { ConditionState } from './reconcile.ts'

/** Changes by condition type; `undefined` removes the condition. Types that are not named are left as they are. */
export type ConditionChanges = ReadonlyMap<string, ConditionState | undefined>

/** Longest message of a condition, in characters. Source: Kustomization trims to it; the API allows 32768. */
export const longestMessage = 20_000

/** A run that came to its end; `retrying` is what goes on. */
export function settled(ready: ConditionState, retrying?: string): ConditionChanges {
  return new Map<string, ConditionState | undefined>([
    ['Ready', ready],
    ['Reconciling', retrying === undefined ? undefined : reconciling(retrying)],
    ['Stalled', undefined],
  ])
}

/** A run that only an edit of the object can mend. `ready` is for where Ready says something else. */
export function stalled(reason: string, message: string, ready?: ConditionState): ConditionChanges {
  return new Map<string, ConditionState | undefined>([
    ['Ready', ready ?? { status: 'False', reason, message }],
    ['Reconciling', undefined],
    ['Stalled', { status: 'True', reason, message }],
  ])
}

/**
 * A run that is tried again. `progress` is what the run said last, or what Reconciling says already; without either there is no
 * Reconciling: the work had not begun.
 */
export function failed(
  ready: ConditionState,
  progress: string | undefined,
  reason: ReconcilingReason = 'ProgressingWithRetry',
): ConditionChanges {
  return new Map<string, ConditionState | undefined>([
    ['Ready', ready],
    ['Stalled', undefined],
    ...(progress === undefined ? [] : [['Reconciling', reconciling(progress, reason)] as const]),
  ])
}

type ReconcilingReason = 'Progressing' | 'ProgressingWithRetry'

function reconciling(message: string, reason: ReconcilingReason = 'ProgressingWithRetry'): ConditionState {
  return { status: 'True', reason, message }
}

/** A run under way. `ready` is the message of Ready=Unknown; without it Ready stays as it is. */
export function progressing(message: string, ready: string | undefined): ConditionChanges {
  return new Map<string, ConditionState | undefined>([
    ['Reconciling', { status: 'True', reason: 'Progressing', message }],
    ['Stalled', undefined],
    ...(ready === undefined ? [] : [['Ready', { status: 'Unknown', reason: 'Progressing', message: ready }] as const]),
  ])
}

/**
 * An object that is suspended. Its status is kept, but for work that was under way, which the suspension ended: nobody goes on with it,
 * so it may not say Reconciling until it is resumed. Flux finishes the run first, which then fails or succeeds; here the outcome is
 * open: it is not Ready, and what was being found out (`own` types) stays Unknown.
 */
export function suspended(before: readonly Condition[], own: readonly string[]): ConditionChanges {
  const underWay = before.find(({ type, reason }) => type === 'Reconciling' && reason === 'Progressing')
  if (!underWay) return new Map()
  const state = { reason: 'Suspended', message: `suspended while under way: ${underWay.message}` }
  const open = before.filter(({ type, status, reason }) => status === 'Unknown' && reason === 'Progressing' && own.includes(type))
  const isUnsure = before.some(({ type, status }) => type === 'Ready' && status === 'Unknown')
  return new Map<string, ConditionState | undefined>([
    ['Reconciling', undefined],
    ...open.map(({ type }) => [type, { status: 'Unknown', ...state }] as const),
    ...(isUnsure ? [['Ready', { status: 'False', ...state }] as const] : []),
  ])
}

/**
 * The conditions after the changes, in Flux's order. The transition time moves only when the status does; `generation` is the one that
 * the run worked on.
 */
export function mergeConditions(
  before: readonly Condition[],
  changes: ConditionChanges,
  run: { readonly generation: number | undefined; readonly nowMs: number },
): readonly Condition[] {
  const byType = new Map(before.map((condition) => [condition.type, condition]))
  for (const [type, state] of changes) {
    if (state) byType.set(type, merged(type, state, byType.get(type), run))
    else byType.delete(type)
  }
  return [...byType.values()].sort(inFluxOrder)
}

function merged(
  type: string,
  state: ConditionState,
  before: Condition | undefined,
  run: { readonly generation: number | undefined; readonly nowMs: number },
): Condition {
  return {
    type,
    status: state.status,
    reason: state.reason,
    message: capMessage(state.message),
    lastTransitionTime: before?.status === state.status ? before.lastTransitionTime : rfc3339(run.nowMs),
    ...(run.generation !== undefined && { observedGeneration: run.generation }),
  }
}

/** A message that fits into a condition; a cut one says so. */
export function capMessage(message: string): string {
  const cut = ' … (cut)'
  return message.length <= longestMessage ? message : message.slice(0, longestMessage - cut.length).toWellFormed() + cut
}

/** RFC 3339 in whole seconds, as metav1.Time. */
export function rfc3339(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
}

const first = ['Stalled', 'Reconciling', 'Ready']

/** Source: fluxcd/pkg runtime/conditions: Stalled, Reconciling, Ready, then by name. */
function inFluxOrder(a: Condition, b: Condition): number {
  return weight(a) - weight(b) || (a.type < b.type ? -1 : 1)
}

function weight({ type }: Condition): number {
  const place = first.indexOf(type)
  return place < 0 ? first.length : place
}
