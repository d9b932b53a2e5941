/** The real helm, of both major versions, and Sluice on the same releases: each goes on from what the other did. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { hasExited, kill, run, startProcess } from '../tools/processes.ts'
import { findTool } from '../tools/tools.ts'
import { type ChartFiles, ChartServer, chartFolder } from './charts.ts'
import { type Cluster, hasCondition, isReady, type Live, openCluster, type Sluice } from './harness.ts'

let cluster: Cluster
let charts: ChartServer
let sluice: Sluice

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'helm-cli')
  charts = await ChartServer.start(cluster)
  await charts.publish('shop', '1.0.0', files)
  sluice = await cluster.startSluice({ flags: { controllers: 'helm', 'min-retry-delay': '50ms' } })
})
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  await charts?.[Symbol.asyncDispose]()
})

const files: ChartFiles = {
  'values.yaml': 'text: hello\nweb: false\nextra: false\n',
  'templates/NOTES.txt': 'Say {{ .Values.text }}\n',
  'templates/config.yaml': `apiVersion: v1
kind: ConfigMap
metadata: {name: '{{ .Release.Name }}'}
data:
  text: {{ .Values.text | quote }}
  {{- if .Values.extra }}
  extra: yes please
  {{- end }}
`,
  'templates/extra.yaml': `{{- if .Values.extra }}
apiVersion: v1
kind: ConfigMap
metadata: {name: '{{ .Release.Name }}-extra'}
{{- end }}
`,
  'templates/hook.yaml': `apiVersion: v1
kind: ConfigMap
metadata:
  name: '{{ .Release.Name }}-hook'
  annotations: {helm.sh/hook: 'pre-upgrade,pre-rollback'}
`,
  'templates/web.yaml': `{{- if .Values.web }}
apiVersion: apps/v1
kind: Deployment
metadata: {name: '{{ .Release.Name }}'}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: registry.example.com/web}]}
{{- end }}
`,
}

describe.each(['helm', 'helm3'] as const)('the real %s', (tool) => {
  const args = (...given: string[]) => [...given, '--kubeconfig', cluster.kubeconfig, '--namespace', cluster.namespace]
  const helm = async (...given: string[]) =>
    run(await findTool(tool, () => {}), args(...given), { env: { ...process.env, TZ: 'UTC' } })
  const helmJson = async <T>(...given: string[]) => JSON.parse(await helm(...given, '-o', 'json')) as T
  const nameOf = (what: string) => `${tool}-${what}`
  // Helm 3 knows of no conflicts, and Helm 4 stops at them.
  const forced = tool === 'helm' ? ['--force-conflicts'] : []
  const revisions = async (name: string) => {
    const history = await helmJson<{ revision: number; status: string }[]>('history', name)
    return history.map(({ revision, status }) => `v${revision} ${status}`)
  }

  it('HLM-REL-03 reads a release of Sluice as its own', async () => {
    const name = nameOf('read')
    await released(name, { text: 'one' })
    await upgraded(name, { text: 'two' })
    expect(await helmJson('list', '--filter', `^${name}$`)).toMatchObject([
      { name, namespace: cluster.namespace, revision: '2', status: 'deployed', chart: 'shop-1.0.0', app_version: '7' },
    ])
    expect(await helmJson('history', name)).toMatchObject([
      { revision: 1, status: 'superseded', chart: 'shop-1.0.0', app_version: '7', description: 'Install complete' },
      { revision: 2, status: 'deployed', chart: 'shop-1.0.0', app_version: '7', description: 'Upgrade complete' },
    ])
    expect(await helmJson('status', name)).toMatchObject({
      name,
      version: 2,
      config: { text: 'two' },
      info: { status: 'deployed', notes: 'Say two\n' },
    })
    expect(await helmJson('get', 'values', name)).toEqual({ text: 'two' })
    expect(await helmJson('get', 'values', name, '--all')).toEqual({ text: 'two', web: false, extra: false })
    expect(await helmJson('get', 'values', name, '--revision', '1')).toEqual({ text: 'one' })
    expect(await helm('get', 'manifest', name)).toContain('# Source: shop/templates/config.yaml')
    expect(await helm('get', 'hooks', name)).toContain('# Source: shop/templates/hook.yaml')
    expect(await helm('get', 'notes', name)).toContain('Say two')
    expect(await helmJson('get', 'metadata', name)).toMatchObject({ name, chart: 'shop', version: '1.0.0', revision: 2 })
  })

  it('F-HLM-02 rolls a release of Sluice back, and Sluice brings it forward again, saying why', async () => {
    const name = nameOf('rolled')
    await released(name, { text: 'one', extra: true })
    await upgraded(name, { text: 'two' })
    const { uid } = (await cluster.get(`configmap/${name}`)).metadata
    await helm('rollback', name, '1', ...forced)
    expect(await data(name)).toMatchObject({ text: 'one', extra: 'yes please' })
    await cluster.until(`configmap/${name}-extra`, () => true)

    await cluster.reconcile(`hr/${name}`)
    expect(await data(name)).toEqual({ text: 'two' })
    await cluster.untilGone(`configmap/${name}-extra`)
    expect((await cluster.get(`configmap/${name}`)).metadata.uid).toBe(uid)
    expect(await revisions(name)).toEqual(['v1 superseded', 'v2 superseded', 'v3 superseded', 'v4 deployed'])
    await sluice.untilLog((line) => line.name === name && line.state === 'Unmanaged' && line.level === 'info')
  })

  it('F-HLM-02 upgrades a release of Sluice, and Sluice goes back to what is wanted', async () => {
    const name = nameOf('changed')
    await released(name, { text: 'one' })
    await helm('upgrade', name, await chartFolder('1.0.0', files), '--set', 'text=by hand,extra=true', ...forced)
    expect(await data(name)).toEqual({ text: 'by hand', extra: 'yes please' })
    const hr = await cluster.reconcile(`hr/${name}`)
    expect(await data(name)).toEqual({ text: 'one' })
    await cluster.untilGone(`configmap/${name}-extra`)
    expect(hr.status?.history).toMatchObject([{ version: 3, status: 'deployed' }])
    expect(await revisions(name)).toEqual(['v1 superseded', 'v2 superseded', 'v3 deployed'])
  })

  it('F-HLM-02 uninstalls a release of Sluice, and Sluice installs it anew', async () => {
    const name = nameOf('uninstalled')
    await released(name, { text: 'one', extra: true })
    await helm('uninstall', name)
    await cluster.untilGone(`configmap/${name}`)
    await cluster.untilGone(`configmap/${name}-extra`)
    const hr = await cluster.reconcile(`hr/${name}`)
    expect(await data(name)).toMatchObject({ text: 'one' })
    expect(hr.status?.history).toMatchObject([{ version: 1, action: 'install' }])
  })

  it('HLM-REL-06 F-HLM-16 hands a release over to Sluice, with what it leaves out removed and all else in place', async () => {
    const name = nameOf('adopted')
    await helm('install', name, await chartFolder('1.0.0', files), '--set', 'text=by hand,extra=true')
    const { uid } = (await cluster.get(`configmap/${name}`)).metadata
    const hr = await released(name, { text: 'ours' })
    expect(await data(name)).toEqual({ text: 'ours' })
    expect((await cluster.get(`configmap/${name}`)).metadata.uid).toBe(uid)
    await cluster.untilGone(`configmap/${name}-extra`)
    expect(hr.status?.history).toMatchObject([{ version: 2, status: 'deployed', action: 'upgrade' }])
    expect(await revisions(name)).toEqual(['v1 superseded', 'v2 deployed'])

    await cluster.kubectl('delete', 'hr', name, '--timeout=30s')
    await cluster.untilGone(`configmap/${name}`)
    const secrets = (await cluster.list('secrets')).map(({ metadata }) => metadata.name)
    expect(secrets.filter((secret) => secret.includes(`.${name}.`))).toEqual([])
  })

  it('HLM-ACT-11 F-HLM-02 killed in the middle of an upgrade leaves a lock that Sluice opens', async () => {
    const name = nameOf('killed')
    await released(name, { text: 'one' })
    const upgrade = await beginUpgrade(name)
    await kill(upgrade)
    expect(await revisions(name)).toEqual(['v1 deployed', 'v2 pending-upgrade'])
    await cluster.reconcile(`hr/${name}`)
    expect(await revisions(name)).toEqual(['v1 superseded', 'v2 failed', 'v3 deployed'])
    expect(await data(name)).toEqual({ text: 'one' })
    await cluster.untilGone(`deployment/${name}`)
    const messages = (await cluster.events(`hr/${name}`)).map(({ reason, message }) => `${reason}: ${message}`)
    const unlocked = `PendingRelease: Unlocked Helm release ${cluster.namespace}/${name}.v2 with chart shop@1.0.0 in pending-upgrade state`
    expect(messages).toContain(unlocked)
  })

  it('F-HLM-02 at work on the release at the same time spoils nothing for good', async () => {
    const name = nameOf('raced')
    await released(name, { text: 'one' })
    const upgrade = await beginUpgrade(name)
    // Sluice cannot tell that somebody is still at work.
    await cluster.reconcile(`hr/${name}`)
    expect(await data(name)).toEqual({ text: 'one' })
    await ended(upgrade)
    const hr = await cluster.reconcile(`hr/${name}`)
    expect(isReady()(hr)).toBe(true)
    expect(await data(name)).toEqual({ text: 'one' })
    await upgraded(name, { text: 'two' })
    expect(await data(name)).toEqual({ text: 'two' })
    expect((await revisions(name)).at(-1)).toBe('v4 deployed')
  })

  it('is told that Sluice is at work on the release', async () => {
    const name = nameOf('busy')
    await released(name, { text: 'one' })
    await apply(name, { text: 'two', web: true })
    await cluster.until(`hr/${name}`, hasCondition('Reconciling', 'True', 'Progressing', "Running 'upgrade' action"))
    await cluster.until(`deployment/${name}`, () => true)
    const upgrade = helm('upgrade', name, await chartFolder('1.0.0', files), ...forced)
    await expect(upgrade).rejects.toThrow('another operation (install/upgrade/rollback) is in progress')
    await upgraded(name, { text: 'three' })
    expect(await data(name)).toEqual({ text: 'three' })
  })

  /** helm, in the middle of an upgrade: it waits for a Deployment that nobody rolls out. */
  async function beginUpgrade(name: string) {
    const folder = await chartFolder('1.0.0', files)
    const given = ['upgrade', name, folder, '--set', 'text=by hand,web=true', '--wait', '--timeout', '15s', ...forced]
    const child = startProcess(await findTool(tool, () => {}), args(...given))
    await cluster.until(`deployment/${name}`, () => true)
    return child
  }
})

function apply(name: string, values: object): Promise<void> {
  const spec = { chartRef: { kind: 'HelmChart', name: 'shop' }, interval: '1h', values }
  return cluster.apply({ apiVersion: 'helm.toolkit.fluxcd.io/v2', kind: 'HelmRelease', metadata: { name }, spec })
}

async function released(name: string, values: object): Promise<Live> {
  await apply(name, values)
  return cluster.until(`hr/${name}`, isReady())
}

const upgraded = released

async function data(name: string) {
  return (await cluster.get(`configmap/${name}`)).data
}

async function ended(child: Parameters<typeof hasExited>[0]): Promise<void> {
  if (!hasExited(child)) await new Promise((resolve) => child.once('exit', resolve))
}
