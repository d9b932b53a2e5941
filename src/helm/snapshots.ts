/**
 * `status.history`: which revisions of a release this HelmRelease made, and how they were when it last saw them. Flux writes the same
 * checksums, so that a release passes from one to the other without an upgrade.
 */
import { createHash } from 'node:crypto'
import type { HelmReleaseSpec, ReleaseSnapshot } from '../api/helmrelease.ts'
import { type Release, type ReleaseHook, releaseParts } from '../lib/chart/index.ts'
import { marshalJson } from '../lib/gotemplate/gojson.ts'
import { isDigestAlgorithm, valuesDigest } from './digests.ts'

/** Newest first. */
export type History = readonly ReleaseSnapshot[]

/** Form of the checksums. Source: api/v2 snapshot_types.go CurrentSnapshotAPIVersion. */
const snapshotVersion = 'v2'

/** What a snapshot says besides what is in the release itself. */
export interface SnapshotOrigin {
  readonly action?: string | undefined
  readonly ociDigest?: string | undefined
  readonly testHooks?: ReleaseSnapshot['testHooks'] | undefined
}

/** Source: internal/release/observation.go ObservedToSnapshot. */
export function snapshotOf(release: Release, { action, ociDigest, testHooks }: SnapshotOrigin = {}): ReleaseSnapshot {
  const { name, namespace, version, info, chart, config } = release
  const { appVersion } = chart.metadata
  return {
    apiVersion: snapshotVersion,
    digest: releaseDigest(release, ociDigest),
    name,
    namespace,
    version,
    status: info.status,
    ...(action && { action }),
    chartName: chart.metadata.name,
    chartVersion: chart.metadata.version,
    ...(appVersion && { appVersion }),
    configDigest: valuesDigest(config),
    firstDeployed: wholeSeconds(info.firstDeployed),
    lastDeployed: wholeSeconds(info.lastDeployed),
    ...(info.deleted && { deleted: wholeSeconds(info.deleted) }),
    ...(testHooks && { testHooks }),
    ...(ociDigest && { ociDigest }),
  }
}

/** As metav1.Time has it; a time that is not set is Go's zero time. */
function wholeSeconds(time: string | undefined): string {
  return time === undefined ? '0001-01-01T00:00:00Z' : new Date(time).toISOString().replace(/\.\d+Z$/, 'Z')
}

/**
 * The checksum of a stored release, without its tests, which anybody may run. `algorithm` is one of `isDigestAlgorithm`.
 * Source: internal/release/digest.go, observation.go.
 */
export function releaseDigest(release: Release, ociDigest: string | undefined, algorithm = 'sha256'): string {
  const parts = releaseParts({ ...release, hooks: release.hooks.filter((hook) => !isTest(hook)) })
  const fields = [
    ['name', marshalJson(release.name)],
    ['version', String(release.version)],
    ['info', parts.info],
    ['chartMetadata', parts.metadata],
    ['config', parts.config],
    ['manifest', marshalJson(release.manifest)],
    ['hooks', parts.hooks.length > 0 ? `[${parts.hooks.join(',')}]` : 'null'],
    ['namespace', marshalJson(release.namespace)],
    ...(ociDigest ? [['ociDigest', marshalJson(ociDigest)]] : []),
  ]
  const json = `{${fields.map(([key, value]) => `"${key}":${value}`).join(',')}}\n`
  return `${algorithm}:${createHash(algorithm).update(json).digest('hex')}`
}

function isTest({ events }: ReleaseHook): boolean {
  return events.includes('test')
}

/** Whether a stored release is as the snapshot saw it. One of an older form cannot tell. Source: internal/action/verify.go. */
export function isAsObserved(snapshot: ReleaseSnapshot, release: Release): boolean {
  if (snapshot.apiVersion !== snapshotVersion) return true
  const algorithm = snapshot.digest.split(':', 1)[0] ?? ''
  return isDigestAlgorithm(algorithm) && releaseDigest(release, snapshot.ociDigest, algorithm) === snapshot.digest
}

export function isOf(snapshot: ReleaseSnapshot, { name, namespace, version }: Pick<Release, 'name' | 'namespace' | 'version'>) {
  return snapshot.name === name && snapshot.namespace === namespace && snapshot.version === version
}

/** `<namespace>/<name>.v<revision>`. */
export function fullNameOf({ namespace, name, version }: Pick<ReleaseSnapshot, 'namespace' | 'name' | 'version'>): string {
  return `${namespace}/${name}.v${version}`
}

export function chartNameOf({ chartName, chartVersion }: ReleaseSnapshot): string {
  return `${chartName}@${chartVersion}`
}

export function sorted(history: History): History {
  return history.toSorted((a, b) => b.version - a.version)
}

/**
 * The history with a revision as it was just stored: its snapshot is replaced, which keeps what only the snapshot knows, or else added.
 */
export function withRelease(history: History, release: Release, origin: SnapshotOrigin): History {
  const known = history.find((snapshot) => isOf(snapshot, release))
  if (!known) return sorted([snapshotOf(release, origin), ...history])
  const { action, ociDigest, testHooks } = known
  const merged = { action: origin.action ?? action, ociDigest, testHooks: origin.testHooks ?? testHooks }
  return history.map((snapshot) => (snapshot === known ? snapshotOf(release, merged) : snapshot))
}

/** The newest revision before the last one that was good. */
export function previousOf(history: History, { ignoresTestFailures }: { readonly ignoresTestFailures: boolean }) {
  return history.slice(1).find((snapshot) => isGood(snapshot, ignoresTestFailures))
}

function isGood(snapshot: ReleaseSnapshot, ignoresTestFailures: boolean): boolean {
  const wasDeployed = snapshot.status === 'deployed' || snapshot.status === 'superseded'
  return wasDeployed && (ignoresTestFailures || !hasFailedTest(snapshot))
}

const mostSnapshots = 5

/** The history back to the previous good revision; the last five where there is none. */
export function truncated(history: History, options: { readonly ignoresTestFailures: boolean }): History {
  const previous = previousOf(history, options)
  return history.slice(0, previous ? history.indexOf(previous) + 1 : mostSnapshots)
}

/** The last five revisions. */
export function lastFew(history: History): History {
  return history.slice(0, mostSnapshots)
}

/** Whether there are results of all tests, or of one that failed. No tests at all are results too. */
export function hasBeenTested({ testHooks }: ReleaseSnapshot): boolean {
  if (!testHooks) return false
  const phases = Object.values(testHooks).map(({ phase }) => phase)
  return phases.includes('Failed') || phases.every((phase) => phase === 'Succeeded')
}

export function hasFailedTest({ testHooks }: ReleaseSnapshot): boolean {
  return Object.values(testHooks ?? {}).some(({ phase }) => phase === 'Failed')
}

/** The results of the tests that the filters select. Source: internal/release/observation.go TestHooksFromRelease. */
export function testHooksOf(
  release: Release,
  filters: NonNullable<HelmReleaseSpec['test']>['filters'] = [],
): NonNullable<ReleaseSnapshot['testHooks']> {
  const selected = release.hooks.filter((hook) => isTest(hook) && isSelected(hook.name, filters))
  return Object.fromEntries(
    selected.map(({ name, lastRun }) => [
      name,
      {
        ...(lastRun?.startedAt && { lastStarted: wholeSeconds(lastRun.startedAt) }),
        ...(lastRun?.completedAt && { lastCompleted: wholeSeconds(lastRun.completedAt) }),
        ...(lastRun?.phase && { phase: lastRun.phase }),
      },
    ]),
  )
}

/** Whether a test is to run. */
export function isSelected(name: string, filters: readonly { readonly name: string; readonly exclude?: boolean }[]): boolean {
  if (filters.some((filter) => filter.exclude && filter.name === name)) return false
  const included = filters.filter(({ exclude }) => !exclude)
  return included.length === 0 || included.some((filter) => filter.name === name)
}
