/** What the spec of a HelmRelease says where it says nothing. Source: helm-controller api/v2 helmrelease_types.go. */
import { createHash } from 'node:crypto'
import type { HelmRelease, HelmReleaseSpec } from '../api/helmrelease.ts'
import type { Key } from '../api/object.ts'
import type { Release } from '../lib/chart/index.ts'
import { parseDuration } from '../lib/duration.ts'
import type { Flags } from '../runtime/flags.ts'
import type { Method } from './write.ts'

/**
 * A HelmRelease with what the flags say where its spec says nothing: `--default-service-account`, and the gate UseHelm3Defaults.
 * Upgrades and rollbacks follow the revision before, whatever the gate says.
 * Source: helm-controller internal/action/{install,wait,post_render}.go, internal/kube/impersonate.go.
 */
export function withDefaults(hr: HelmRelease, flags: Pick<Flags, 'defaultServiceAccount' | 'featureGates'>): HelmRelease {
  const serviceAccountName = hr.spec.serviceAccountName || flags.defaultServiceAccount
  const spec = { ...hr.spec, ...(serviceAccountName && { serviceAccountName }) }
  if (!flags.featureGates.get('UseHelm3Defaults')) return { ...hr, spec }
  const { waitStrategy = { name: 'legacy' }, postRenderStrategy = 'nohooks', install } = spec
  return { ...hr, spec: { ...spec, waitStrategy, postRenderStrategy, install: { serverSideApply: false, ...install } } }
}

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

/**
 * How an upgrade or rollback writes objects: as told, or as the revision was written that it goes by.
 * Source: internal/action/{upgrade,rollback}.go.
 */
export function methodOf(
  { serverSideApply = 'auto', force }: Pick<NonNullable<HelmReleaseSpec['upgrade']>, 'serverSideApply' | 'force'>,
  { applyMethod }: Pick<Release, 'applyMethod'>,
): Method {
  const serverSide = serverSideApply === 'auto' ? applyMethod === 'ssa' : serverSideApply === 'enabled'
  return { serverSide, replaces: force ?? false }
}

/** What an installation writes objects with. */
export function installMethodOf({ serverSideApply, disableTakeOwnership }: NonNullable<HelmReleaseSpec['install']>): Method {
  return { serverSide: serverSideApply ?? true, heals: !disableTakeOwnership }
}

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
