/** Which Alerts want an event. */
import { describe, expect, it } from 'vitest'
import type { Alert, AlertSpec } from '../../src/api/alert.ts'
import type { FluxEvent } from '../../src/api/event.ts'
import { isWanted } from '../../src/notification/alerts.ts'

const event: FluxEvent = {
  involvedObject: { apiVersion: 'source.toolkit.fluxcd.io/v1', kind: 'GitRepository', namespace: 'apps', name: 'app' },
  severity: 'info',
  timestamp: '2026-01-02T03:04:05Z',
  message: 'stored artifact of main',
  reason: 'NewArtifact',
  reportingController: 'source-controller',
}

async function decide(spec: Partial<AlertSpec>, more: Partial<FluxEvent> = {}, labels?: Record<string, string>) {
  const warnings: string[] = []
  const alert = {
    metadata: { namespace: 'apps', name: 'alert' },
    spec: { providerRef: { name: 'p' }, eventSources: [{ kind: 'GitRepository', name: '*' }], ...spec },
  } as Alert
  const wanted = await isWanted({ ...event, ...more }, alert, {
    async labelsOf() {
      if (labels) return labels
      throw new Error('gone')
    },
    warn: (_alert, reason, message) => warnings.push(`${reason}: ${message}`),
  })
  return { wanted, warnings }
}

const from = (source: object) => ({ eventSources: [{ kind: 'GitRepository' as const, name: '*', ...source }] })
const labelled = from({ matchLabels: { tier: 'front', app: 'web' } })

describe('an Alert', () => {
  it.each([
    ['any name', from({}), true],
    ['the name', from({ name: 'app' }), true],
    ['another name', from({ name: 'application' }), false],
    ['another kind', from({ kind: 'Bucket' }), false],
    ['the namespace', from({ namespace: 'apps' }), true],
    ['another namespace', from({ namespace: 'other' }), false],
    ['one of several', { eventSources: [...from({ name: 'x' }).eventSources, ...from({ name: 'app' }).eventSources] }, true],
    ['nothing, as it is suspended', { ...from({}), suspend: true }, false],
    ['nothing', { eventSources: [] }, false],
  ] as const)('NOT-ALR-01 NOT-ALR-05 wants events of %s', async (_name, spec, wanted) => {
    expect(await decide(spec as Partial<AlertSpec>)).toEqual({ wanted, warnings: [] })
  })

  it.each([
    ['all', { tier: 'front', app: 'web', more: 'x' }, true],
    ['some', { tier: 'front' }, false],
    ['others', { tier: 'front', app: 'api' }, false],
    ['none', {}, false],
  ] as const)('NOT-ALR-01 looks at the labels of the object: %s of them', async (_name, labels, wanted) => {
    expect(await decide(labelled, {}, labels)).toEqual({ wanted, warnings: [] })
  })

  it('NOT-ALR-01 does not want what it cannot see, and says so', async () => {
    expect(await decide(labelled)).toEqual({
      wanted: false,
      warnings: ['SourceFetchFailed: error getting source object GitRepository/apps/app'],
    })
    // An object that is not meant anyway is not looked at.
    expect((await decide(from({ name: 'x', matchLabels: { a: 'b' } }))).warnings).toEqual([])
  })

  it.each([
    [undefined, 'info', true],
    [undefined, 'error', true],
    ['info', 'info', true],
    ['info', 'error', true],
    ['error', 'info', false],
    ['error', 'error', true],
  ] as const)('NOT-ALR-02 of severity %s wants events of severity %s: %s', async (eventSeverity, severity, wanted) => {
    expect((await decide({ ...(eventSeverity && { eventSeverity }) }, { severity })).wanted).toBe(wanted)
  })

  it.each([
    [['^stored'], [], true, []],
    [['^main', 'artifact'], [], true, []],
    [['^main'], [], false, []],
    [[], ['^main'], true, []],
    [[], ['main$'], false, []],
    [['stored'], ['artifact'], false, []],
    [['(?=stored)'], [], false, ['InvalidConfig: failed to compile inclusion regex: (?=stored)']],
    [['(', 'stored'], [], true, ['InvalidConfig: failed to compile inclusion regex: (']],
    [[], ['['], true, ['InvalidConfig: failed to compile exclusion regex: [']],
    [['(x+x+)+y'], [], false, []],
  ] as const)(
    'NOT-ALR-03 F-NTF-06 with inclusions %j and exclusions %j wants the event: %s',
    async (inclusionList, exclusionList, wanted, warnings) => {
      expect(await decide({ inclusionList: [...inclusionList], exclusionList: [...exclusionList] })).toEqual({ wanted, warnings })
    },
  )

  it('NOT-ALR-03 is not held up by an expression made to', async () => {
    const startedMs = performance.now()
    await decide({ inclusionList: ['(x+x+)+y'] }, { message: 'x'.repeat(30_000) })
    expect(performance.now() - startedMs).toBeLessThan(5_000)
  })
})
