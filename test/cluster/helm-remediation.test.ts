/** What becomes of a release that fails, by what its spec says: the revisions as helm has them, and what the status tells. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type ChartFiles, ChartServer, helm } from './charts.ts'
import { type Claim, type Cluster, conditionOf, hasCondition, isReady, type Live, openCluster } from './harness.ts'

let cluster: Cluster
let charts: ChartServer

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'helm-remediation')
  charts = await ChartServer.start(cluster)
  await charts.publish('shop', '1.0.0', files)
  await cluster.startSluice({ flags: { controllers: 'helm', 'min-retry-delay': '50ms' } })
})
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  await charts?.[Symbol.asyncDispose]()
})

/** What the API server refuses where a value says so. */
const refused = (value: string, hook = '') => `{{- if .Values.${value} }}
apiVersion: v1
kind: Service
metadata:
  name: '{{ .Release.Name }}-${value.toLowerCase()}'
  ${hook && `annotations: {helm.sh/hook: ${hook}}`}
spec: {ports: [{port: 0}]}
{{- end }}
`

const files: ChartFiles = {
  'values.yaml': 'text: good\nbad: false\nbadRollback: false\nbadTest: false\n',
  'templates/config.yaml': `apiVersion: v1
kind: ConfigMap
metadata: {name: '{{ .Release.Name }}'}
data: {text: {{ .Values.text | quote }}}
`,
  'templates/bad.yaml': refused('bad'),
  'templates/rollback.yaml': refused('badRollback', 'pre-rollback'),
  'templates/test.yaml': refused('badTest', 'test'),
}

interface Case {
  readonly title: string
  readonly spec: object
  /** Values of the release before; absent: the first one fails. */
  readonly before?: object
  readonly values?: object
  readonly until: Claim
  /** As helm prints them. */
  readonly revisions: readonly string[]
  /** `status.history`. */
  readonly history: readonly string[]
  readonly conditions: Readonly<Record<string, string>>
  readonly counters: Readonly<Record<string, number>>
}

const isStalled = hasCondition('Stalled', 'True', 'RetriesExceeded')
const strategy = { name: 'RetryOnFailure', retryInterval: '50ms' }
const hasFailed =
  (field: string, times: number): Claim =>
  ({ status }) =>
    Number(status?.[field] ?? 0) >= times
const stalled = (action: string, attempts: number) => `True RetriesExceeded: Failed to ${action} after ${attempts} attempt(s)`

const installs: readonly Case[] = [
  {
    title: 'is left as it is without retries',
    spec: {},
    until: isStalled,
    revisions: ['v1 failed'],
    history: ['v1 failed install'],
    conditions: { Ready: 'False InstallFailed', Released: 'False InstallFailed', Stalled: stalled('install', 1) },
    counters: { failures: 1, installFailures: 1 },
  },
  {
    title: 'is uninstalled between its tries, and the last one is left',
    spec: { install: { remediation: { retries: 2 } } },
    until: isStalled,
    revisions: ['v1 failed'],
    history: ['v1 failed install'],
    conditions: { Ready: 'False InstallFailed', Released: 'False InstallFailed', Stalled: stalled('install', 3) },
    counters: { failures: 3, installFailures: 3 },
  },
  {
    title: 'is uninstalled after the last try too where it says so',
    spec: { install: { remediation: { remediateLastFailure: true } }, uninstall: { keepHistory: true } },
    until: isStalled,
    revisions: ['v1 uninstalled'],
    history: ['v1 uninstalled uninstall-remediation'],
    conditions: {
      Ready: 'False UninstallSucceeded',
      Released: 'False InstallFailed',
      Remediated: 'True UninstallSucceeded',
      Stalled: stalled('install', 1),
    },
    counters: { failures: 1, installFailures: 1 },
  },
  {
    title: 'whose tests fail is uninstalled',
    spec: {
      test: { enable: true },
      install: { remediation: { remediateLastFailure: true } },
      uninstall: { keepHistory: true },
    },
    values: { badTest: true },
    until: isStalled,
    revisions: ['v1 uninstalled'],
    history: ['v1 uninstalled uninstall-remediation'],
    conditions: {
      Ready: 'False UninstallSucceeded',
      Released: 'True InstallSucceeded',
      TestSuccess: 'False TestFailed',
      Remediated: 'True UninstallSucceeded',
      Stalled: stalled('install', 1),
    },
    counters: { failures: 1, installFailures: 1 },
  },
  {
    title: 'whose tests fail stays where that is to be ignored',
    spec: { test: { enable: true, ignoreFailures: true }, install: { remediation: { remediateLastFailure: true } } },
    values: { badTest: true },
    until: isReady(),
    revisions: ['v1 deployed'],
    history: ['v1 deployed install'],
    conditions: { Ready: 'True InstallSucceeded', Released: 'True InstallSucceeded', TestSuccess: 'False TestFailed' },
    counters: { failures: 1 },
  },
]

const upgrades: readonly Case[] = [
  {
    title: 'is left as it is without retries',
    spec: {},
    before: {},
    until: isStalled,
    revisions: ['v1 deployed', 'v2 failed'],
    history: ['v2 failed upgrade', 'v1 deployed install'],
    conditions: { Ready: 'False UpgradeFailed', Released: 'False UpgradeFailed', Stalled: stalled('upgrade', 1) },
    counters: { failures: 1, upgradeFailures: 1 },
  },
  {
    title: 'is rolled back without retries where it says so',
    spec: { upgrade: { remediation: { remediateLastFailure: true } } },
    before: {},
    until: isStalled,
    revisions: ['v1 superseded', 'v2 failed', 'v3 deployed'],
    history: ['v3 deployed rollback', 'v2 failed upgrade', 'v1 superseded install'],
    conditions: {
      Ready: 'False RollbackSucceeded',
      Released: 'False UpgradeFailed',
      Remediated: 'True RollbackSucceeded',
      Stalled: stalled('upgrade', 1),
    },
    counters: { failures: 1, upgradeFailures: 1 },
  },
  {
    title: 'is rolled back after each try',
    spec: { upgrade: { remediation: { retries: 1 } } },
    before: {},
    until: isStalled,
    revisions: ['v1 superseded', 'v2 failed', 'v3 superseded', 'v4 failed', 'v5 deployed'],
    history: ['v5 deployed rollback', 'v4 failed upgrade', 'v3 superseded rollback'],
    conditions: {
      Ready: 'False RollbackSucceeded',
      Released: 'False UpgradeFailed',
      Remediated: 'True RollbackSucceeded',
      Stalled: stalled('upgrade', 2),
    },
    counters: { failures: 2, upgradeFailures: 2 },
  },
  {
    title: 'is left after the last try where it says so',
    spec: { upgrade: { remediation: { retries: 1, remediateLastFailure: false } } },
    before: {},
    until: isStalled,
    revisions: ['v1 superseded', 'v2 failed', 'v3 deployed', 'v4 failed'],
    history: ['v4 failed upgrade', 'v3 deployed rollback', 'v2 failed upgrade', 'v1 superseded install'],
    conditions: { Ready: 'False UpgradeFailed', Released: 'False UpgradeFailed', Stalled: stalled('upgrade', 2) },
    counters: { failures: 2, upgradeFailures: 2 },
  },
  {
    title: 'is uninstalled and installed anew where the strategy says so',
    spec: { upgrade: { remediation: { strategy: 'uninstall', remediateLastFailure: true } } },
    before: {},
    until: isStalled,
    revisions: ['v1 failed'],
    history: ['v1 failed install'],
    conditions: { Ready: 'False InstallFailed', Released: 'False InstallFailed', Stalled: stalled('install', 1) },
    counters: { failures: 2, upgradeFailures: 1, installFailures: 1 },
  },
  {
    title: 'that cannot be rolled back says so',
    spec: { upgrade: { remediation: { remediateLastFailure: true } } },
    before: { badRollback: true },
    values: { bad: true, badRollback: true },
    until: isStalled,
    revisions: ['v1 deployed', 'v2 failed', 'v3 failed'],
    history: ['v3 failed rollback', 'v2 failed upgrade', 'v1 deployed install'],
    conditions: {
      Ready: 'False RollbackFailed',
      Released: 'False UpgradeFailed',
      Remediated: 'False RollbackFailed',
      Stalled: stalled('upgrade', 1),
    },
    counters: { failures: 2, upgradeFailures: 1 },
  },
  {
    title: 'whose tests fail is rolled back',
    spec: { test: { enable: true }, upgrade: { remediation: { remediateLastFailure: true } } },
    before: {},
    values: { text: 'new', badTest: true },
    until: isStalled,
    revisions: ['v1 superseded', 'v2 superseded', 'v3 deployed'],
    history: ['v3 deployed rollback', 'v2 superseded upgrade', 'v1 superseded install'],
    conditions: {
      Ready: 'False RollbackSucceeded',
      Released: 'True UpgradeSucceeded',
      TestSuccess: 'False TestFailed',
      Remediated: 'True RollbackSucceeded',
      Stalled: stalled('upgrade', 1),
    },
    counters: { failures: 1, upgradeFailures: 1 },
  },
]

describe('F-HLM-11', () => {
  it.each(installs)('HLM-REM-01 HLM-REM-05 an install that fails $title', (given) =>
    check(`install-${installs.indexOf(given)}`, given),
  )
  it.each(upgrades)('HLM-REM-02 HLM-REM-05 an upgrade that fails $title', (given) =>
    check(`upgrade-${upgrades.indexOf(given)}`, given),
  )

  it.each([
    ['install', { install: { remediation: { retries: -1 } } }],
    ['upgrade', { upgrade: { remediation: { retries: -1 } } }],
  ] as const)('HLM-REM-05 an %s with retries -1 is tried until it succeeds', async (action, spec) => {
    const name = `forever-${action}`
    if (action === 'upgrade') await released(name, spec, {})
    await apply(name, spec, { bad: true })
    const hr = await cluster.until(`hr/${name}`, hasFailed(`${action}Failures`, 4))
    expect(conditionOf(hr, 'Stalled')).toBeUndefined()
    expect(conditionOf(hr, 'Reconciling')).toMatchObject({ status: 'True' })
    expect((await released(name, spec, { text: 'mended' })).status).not.toHaveProperty('failures')
  })

  it.each(['install', 'upgrade'] as const)(
    'HLM-REM-03 an %s with RetryOnFailure is tried in place until it succeeds',
    async (action) => {
      const name = `in-place-${action}`
      const spec = { install: { strategy }, upgrade: { strategy } }
      if (action === 'upgrade') await released(name, spec, {})
      await apply(name, spec, { bad: true })
      const hr = await cluster.until(`hr/${name}`, hasFailed('failures', 3))
      expect(conditionOf(hr, 'Stalled')).toBeUndefined()
      expect(conditionOf(hr, 'Remediated')).toBeUndefined()
      const actions = historyOf(hr).map((entry) => entry.replace(/^v\d+ /, ''))
      const first = action === 'upgrade' ? 'deployed install' : 'failed install'
      expect(actions).toEqual([...actions.slice(0, -1).map(() => 'failed upgrade'), first])
      expect((await released(name, spec, { text: 'mended' })).status).not.toHaveProperty('failures')
    },
  )
})

async function check(name: string, { spec, before, values = { bad: true }, ...expected }: Case): Promise<void> {
  if (before) await released(name, spec, before)
  await apply(name, spec, values)
  const hr = await cluster.until(`hr/${name}`, expected.until)
  expect(historyOf(hr)).toEqual(expected.history)
  expect(await revisionsOf(name)).toEqual(expected.revisions)
  const told = Object.keys(expected.conditions).map((type) => [type, textOf(hr, type, expected.conditions[type])])
  expect(Object.fromEntries(told)).toEqual(expected.conditions)
  for (const type of ['Remediated', 'TestSuccess', 'Stalled', 'Reconciling'])
    if (!(type in expected.conditions)) expect(conditionOf(hr, type)).toBeUndefined()
  const { failures, installFailures, upgradeFailures } = hr.status ?? {}
  expect({ failures, installFailures, upgradeFailures }).toEqual({
    failures: undefined,
    installFailures: undefined,
    upgradeFailures: undefined,
    ...expected.counters,
  })
}

/** With the message where one is expected. */
function textOf(hr: Live, type: string, expected = ''): string {
  const { status, reason, message } = conditionOf(hr, type) ?? { status: '', reason: '', message: '' }
  return expected.includes(': ') ? `${status} ${reason}: ${message}` : `${status} ${reason}`
}

function apply(name: string, spec: object, values: object): Promise<void> {
  const chartRef = { kind: 'HelmChart', name: 'shop' }
  const metadata = { name }
  return cluster.apply({
    apiVersion: 'helm.toolkit.fluxcd.io/v2',
    kind: 'HelmRelease',
    metadata,
    spec: { chartRef, interval: '1h', ...spec, values },
  })
}

async function released(name: string, spec: object, values: object): Promise<Live> {
  await apply(name, spec, values)
  return cluster.until(`hr/${name}`, isReady())
}

function historyOf({ status }: Live): string[] {
  const snapshots = (status?.history ?? []) as readonly { version: number; status: string; action?: string }[]
  return snapshots.map((snapshot) => `v${snapshot.version} ${snapshot.status} ${snapshot.action}`)
}

async function revisionsOf(name: string): Promise<string[]> {
  const history = JSON.parse(await helm(cluster, 'history', name, '-o', 'json')) as { revision: number; status: string }[]
  return history.map(({ revision, status }) => `v${revision} ${status}`)
}
