/** Kustomizations as tests need them. */
import type { Kustomization, KustomizationSpec, KustomizationStatus } from '../../src/api/kustomization.ts'

/** A Kustomization of namespace `flux` with a GitRepository `repo`; generation 1. */
export function kustomization(name: string, spec: Partial<KustomizationSpec> = {}, status?: KustomizationStatus): Kustomization {
  return {
    apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
    kind: 'Kustomization',
    metadata: { name, namespace: 'flux', generation: 1 },
    spec: { sourceRef: { kind: 'GitRepository', name: 'repo' }, interval: '10m', prune: true, ...spec },
    ...(status && { status }),
  }
}

/** The status of a Kustomization that has applied a revision. */
export function readyAt(revision: string): KustomizationStatus {
  return {
    observedGeneration: 1,
    lastAppliedRevision: revision,
    lastAttemptedRevision: revision,
    conditions: [
      {
        type: 'Ready',
        status: 'True',
        reason: 'ReconciliationSucceeded',
        message: `Applied revision: ${revision}`,
        lastTransitionTime: '2026-01-01T00:00:00Z',
      },
    ],
  }
}
