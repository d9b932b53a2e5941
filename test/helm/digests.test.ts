import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { HelmReleaseSpec } from '../../src/api/helmrelease.ts'
import { commonMetadataDigest, postRenderersDigest } from '../../src/helm/digests.ts'
import { shortenedName } from '../../src/helm/settings.ts'
import { isAsObserved, snapshotOf, testHooksOf } from '../../src/helm/snapshots.ts'
import { decodeRelease, encodeRelease, type Release } from '../../src/lib/chart/index.ts'

/** What Flux's own code makes of each case. */
interface Case {
  readonly name: string
  /** As Helm stores it. */
  readonly release?: object
  readonly ociDigest?: string
  readonly postRenderers?: NonNullable<HelmReleaseSpec['postRenderers']>
  readonly commonMetadata?: NonNullable<HelmReleaseSpec['commonMetadata']>
  readonly names?: readonly string[]
  readonly flux: unknown
}

const fixture = join(import.meta.dirname, '../fixtures/helm-flux/digests.json')
const cases = JSON.parse(readFileSync(fixture, 'utf8')) as Case[]

const decoded = (release: object): Release => decodeRelease(Buffer.from(JSON.stringify(release)).toString('base64'))

describe('HLM-STA-01 snapshots are those that Flux writes', () => {
  it.each(cases.filter(({ release }) => release))('$name', ({ release = {}, ociDigest, flux }) => {
    const stored = decoded(release)
    const { testHooks, deleted, ...expected } = flux as Record<string, unknown>
    const snapshot = snapshotOf(stored, { ociDigest })
    expect(snapshot).toEqual({ ...expected, ...(deleted !== null && { deleted }) })
    expect(isAsObserved(snapshot, decodeRelease(encodeRelease(stored)))).toBe(true)
    const phases = Object.entries((testHooks ?? {}) as Record<string, { phase?: string }>).map(([name, { phase }]) => [name, phase])
    expect(Object.entries(testHooksOf(stored)).map(([name, { phase }]) => [name, phase])).toEqual(expect.arrayContaining(phases))
  })

  it('are no longer true of a release that anybody changed, but are of one whose tests somebody ran', () => {
    const [{ release = {} } = {}] = cases
    const stored = decoded(release)
    const snapshot = snapshotOf(stored)
    const tested = stored.hooks.map((hook) =>
      hook.events.includes('test') ? { ...hook, lastRun: { phase: 'Succeeded' as const } } : hook,
    )
    expect(isAsObserved(snapshot, { ...stored, hooks: tested })).toBe(true)
    expect(isAsObserved(snapshot, { ...stored, manifest: '' })).toBe(false)
    expect(isAsObserved(snapshot, { ...stored, info: { ...stored.info, status: 'superseded' } })).toBe(false)
  })

  it('are trusted in the form of older versions, which cannot be verified', () => {
    const [{ release = {} } = {}] = cases
    const stored = decoded(release)
    const { apiVersion: _, ...old } = snapshotOf(stored)
    expect(isAsObserved({ ...old, digest: 'sha256:0' }, stored)).toBe(true)
  })
})

describe('checksums of the spec are those of Flux', () => {
  it.each(cases.filter(({ release, names }) => !release && !names))('$name', ({ postRenderers, commonMetadata, flux }) => {
    const spec = { interval: '1m', ...(postRenderers && { postRenderers }), ...(commonMetadata && { commonMetadata }) }
    expect(postRenderersDigest(spec) ?? commonMetadataDigest(spec)).toBe(flux)
  })
})

it('HLM-REL-02 F-HLM-12 shortens a name as Flux does', () => {
  for (const { names, flux } of cases.filter((one) => one.names)) expect(names?.map(shortenedName)).toEqual(flux)
})
