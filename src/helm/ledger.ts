/** What a run has found out and done so far: the status of a HelmRelease as it will be, and what its steps decide by. */
import type { HelmRelease, HelmReleaseStatus } from '../api/helmrelease.ts'
import { conditionOf, requestedAt } from '../api/meta.ts'
import type { Release } from '../lib/chart/index.ts'
import type { ConditionState, Context, EventDraft } from '../runtime/reconcile.ts'
import { commonMetadataDigest, postRenderersDigest } from './digests.ts'
import type { ReleaseAction } from './settings.ts'
import { type History, type SnapshotOrigin, sorted, withRelease } from './snapshots.ts'

export type OwnCondition = 'Released' | 'TestSuccess' | 'Remediated' | 'Drifted'

export const ownConditions: readonly OwnCondition[] = ['Released', 'TestSuccess', 'Remediated', 'Drifted']

type Fields = { readonly [F in keyof HelmReleaseStatus]?: HelmReleaseStatus[F] | undefined }

export class Ledger {
  readonly hr: HelmRelease
  readonly #context: Context<HelmRelease>
  readonly #conditions = new Map<OwnCondition, ConditionState & { readonly observedGeneration?: number | undefined }>()
  #status: HelmReleaseStatus
  #ready: ConditionState | undefined

  constructor(hr: HelmRelease, context: Context<HelmRelease>) {
    this.hr = hr
    this.#context = context
    this.#status = { ...hr.status }
    for (const type of ownConditions) {
      const condition = conditionOf(hr, type)
      if (condition) this.#conditions.set(type, condition)
    }
    this.#ready = conditionOf(hr, 'Ready')
  }

  get status(): HelmReleaseStatus {
    return this.#status
  }

  /** Newest first. */
  get history(): History {
    return sorted(this.#status.history ?? [])
  }

  get lastAction(): ReleaseAction | undefined {
    return this.#status.lastAttemptedReleaseAction
  }

  set(fields: Fields): void {
    this.#status = { ...this.#status, ...fields } as HelmReleaseStatus
    this.#context.set(fields)
  }

  /** As `set`, and writes now what has changed. */
  async record(fields: Fields): Promise<void> {
    this.set(fields)
    await this.#context.record(fields)
  }

  setHistory(history: History): void {
    this.set({ history: history.length > 0 ? [...history] : undefined })
  }

  /** A revision was stored: its snapshot follows. `origin` is for revisions that are new. */
  observe(release: Release, origin: SnapshotOrigin): void {
    this.setHistory(withRelease(this.history, release, origin))
  }

  /** Counts a failure; with an action, one that its remediation counts too. */
  countFailure(): void {
    this.set({ failures: (this.#status.failures ?? 0) + 1 })
  }

  countFailureOf(action: ReleaseAction): void {
    const field = action === 'install' ? 'installFailures' : 'upgradeFailures'
    this.set({ [field]: (this.#status[field] ?? 0) + 1 })
  }

  clearFailures(): void {
    this.set({ failures: undefined, installFailures: undefined, upgradeFailures: undefined })
  }

  /**
   * Whether an annotation asks for something that is to be done once. It does when it came together with the request to reconcile; either
   * way it counts as handled. Source: fluxcd/pkg/apis/meta HandleAnnotationRequest.
   */
  takesRequest(annotation: string, field: 'lastHandledForceAt' | 'lastHandledResetAt'): boolean {
    const value = this.hr.metadata.annotations?.[annotation]
    if (value === undefined) return false
    const handled = this.#status[field]
    this.set({ [field]: value })
    return value === requestedAt(this.hr) && value !== this.hr.status?.lastHandledReconcileAt && value !== handled
  }

  condition(type: OwnCondition): ConditionState | undefined {
    return this.#conditions.get(type)
  }

  setCondition(type: OwnCondition, status: ConditionState['status'], reason: string, message: string): void {
    const state = { status, reason, message }
    this.#conditions.set(type, { ...state, observedGeneration: this.hr.metadata.generation })
    this.#context.condition(type, state)
  }

  removeCondition(type: OwnCondition): void {
    this.#conditions.delete(type)
    this.#context.condition(type, undefined)
  }

  event(severity: EventDraft['severity'], reason: string, message: string, metadata: EventDraft['metadata'] = {}): void {
    this.#context.event({ severity, reason, message, metadata })
  }

  get ready(): ConditionState {
    return this.#ready ?? { status: 'Unknown', reason: 'Progressing', message: 'reconciliation in progress' }
  }

  setReady(status: ConditionState['status'], reason: string, message: string): void {
    this.#ready = { status, reason, message }
  }

  /**
   * Ready says what the newest of the own conditions does; one that was remedied is not ready.
   * Source: internal/reconcile/release.go summarize.
   */
  summarize(): void {
    const { test } = this.hr.spec
    if (!test?.enable) this.removeCondition('TestSuccess')
    const types = test?.enable && !test.ignoreFailures ? byPriority : byPriority.filter((type) => type !== 'TestSuccess')
    const states = types.flatMap((type) => {
      const state = this.#conditions.get(type)
      return state ? [{ type, ...state }] : []
    })
    const newest = Math.max(...states.map(({ observedGeneration = 0 }) => observedGeneration))
    const first = states.find(({ observedGeneration = 0 }) => observedGeneration === newest)
    if (first) this.setReady(first.type === 'Remediated' ? 'False' : first.status, first.reason, first.message)
  }

  /** What the spec says of rendering counts as released from here on. */
  noteRendering(): void {
    this.set({
      observedPostRenderersDigest: postRenderersDigest(this.hr.spec),
      observedCommonMetadataDigest: commonMetadataDigest(this.hr.spec),
    })
  }
}

const byPriority = ['Remediated', 'TestSuccess', 'Released'] as const
