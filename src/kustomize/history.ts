/** `status.history`: the last runs that differed in what they applied or in how they ended. */
import type { Snapshot } from '../api/kustomization.ts'
import { formatDuration } from '../lib/duration.ts'

export interface Run {
  /** `sha256:<hex>` of the built manifests. */
  readonly digest: string
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly durationMs: number
  /** Reason of the Ready condition. */
  readonly status: string
  readonly metadata: Readonly<Record<string, string>>
}

const longest = 5

/**
 * The history with a run: counted on the snapshot of the same digest and status, which moves to the front, or as a new one.
 * Source: github.com/fluxcd/pkg/apis/meta History.Upsert.
 */
export function withRun(history: readonly Snapshot[], run: Run): Snapshot[] {
  const at = new Date(run.at).toISOString().replace(/\.\d+Z$/, 'Z')
  const isSame = (snapshot: Snapshot) => snapshot.digest === run.digest && snapshot.lastReconciledStatus === run.status
  const known = history.find(isSame)
  const snapshot: Snapshot = {
    digest: run.digest,
    firstReconciled: known?.firstReconciled ?? at,
    lastReconciled: at,
    lastReconciledDuration: formatDuration(run.durationMs),
    lastReconciledStatus: run.status,
    totalReconciliations: (known?.totalReconciliations ?? 0) + 1,
    metadata: run.metadata,
  }
  return [snapshot, ...history.filter((other) => other !== known)].slice(0, longest)
}
