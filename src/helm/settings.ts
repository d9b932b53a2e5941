/** What the spec of a HelmRelease says where it says nothing. Source: helm-controller api/v2 helmrelease_types.go. */
import { createHash } from 'node:crypto'
import type { HelmRelease, HelmReleaseSpec } from '../api/helmrelease.ts'
import type { Key } from '../api/object.ts'
import { parseDuration } from '../lib/duration.ts'

const longestName = 53
const hashLength = 12

/** The name of the release: what Helm allows of it. */
export function releaseNameOf({ spec, metadata }: HelmRelease): string {
  const composed = spec.targetNamespace ? `${spec.targetNamespace}-${metadata.name}` : metadata.name
  return shortenedName(spec.releaseName || composed)
}

/** A name of up to 53 characters; of a longer one the first 40 and a hash of all. Source: internal/release/name.go. */
export function shortenedName(name: string): string {
  if (name.length <= longestName) return name
  const hash = createHash('sha256').update(name).digest('hex').slice(0, hashLength)
  return `${name.slice(0, longestName - hashLength - 1)}-${hash}`
}

export function releaseNamespaceOf({ spec, metadata }: HelmRelease): string {
  return spec.targetNamespace || metadata.namespace
}

export function storageNamespaceOf({ spec, metadata }: HelmRelease): string {
  return spec.storageNamespace || metadata.namespace
}

/** The HelmChart that is made of `spec.chart`; undefined where a chartRef is used. */
export function chartKeyOf({ spec, metadata }: HelmRelease): Key | undefined {
  if (!spec.chart) return undefined
  const namespace = spec.chart.spec.sourceRef.namespace || metadata.namespace
  return { namespace, name: `${metadata.namespace}-${metadata.name}` }
}

export type ActionName = 'install' | 'upgrade' | 'rollback' | 'uninstall' | 'test'

/** How long one operation of an action may take, in milliseconds. */
export function timeoutMsOf(spec: HelmReleaseSpec, action?: ActionName): number {
  const own = action === undefined ? undefined : spec[action]?.timeout
  return parseDuration(own ?? spec.timeout ?? '5m')
}

/** What was tried last: a failure is remedied as it says. */
export type ReleaseAction = 'install' | 'upgrade'

export interface Remediation {
  /** Negative: without limit. */
  readonly retries: number
  readonly ignoresTestFailures: boolean
  readonly remediatesLastFailure: boolean
  readonly strategy: 'rollback' | 'uninstall'
}

export function remediationOf(spec: HelmReleaseSpec, action: ReleaseAction): Remediation {
  const given = spec[action]?.remediation
  const retries = given?.retries ?? 0
  return {
    retries,
    ignoresTestFailures: given?.ignoreTestFailures ?? spec.test?.ignoreFailures ?? false,
    remediatesLastFailure: given?.remediateLastFailure ?? (action === 'upgrade' && retries > 0),
    strategy: action === 'install' ? 'uninstall' : (spec.upgrade?.remediation?.strategy ?? 'rollback'),
  }
}

/**
 * How long to wait before a failed action is tried again in place, in milliseconds; undefined where it is remedied instead.
 * `byDefault`: the gate DefaultToRetryOnFailure.
 */
export function retryIntervalMsOf(
  spec: HelmReleaseSpec,
  action: ReleaseAction | undefined,
  byDefault: boolean,
): number | undefined {
  if (!action) return undefined
  const strategy = spec[action]?.strategy
  if ((strategy?.name ?? (byDefault ? 'RetryOnFailure' : undefined)) !== 'RetryOnFailure') return undefined
  return parseDuration(strategy?.retryInterval ?? '5m')
}

export function detectsDrift({ driftDetection }: HelmReleaseSpec): boolean {
  return driftDetection?.mode === 'enabled' || driftDetection?.mode === 'warn'
}
