/** The demo's steps with a Helm release, and with the notifications that come of it. */
import assert from 'node:assert/strict'
import { hasCondition, isReady } from '../tools/watch.ts'
import type { Notification } from './page.ts'
import { edit, type Stage, since, until } from './stage.ts'

const release = 'apps/samovar/release.yaml'

/** Sends what happens to releases to the demo's page. */
export async function subscribe({ kubectl, page, board }: Stage): Promise<void> {
  const apiVersion = 'notification.toolkit.fluxcd.io/v1beta3'
  const metadata = { name: 'page', namespace: 'flux-system' }
  await kubectl.apply([
    { apiVersion, kind: 'Provider', metadata, spec: { type: 'generic', address: page.url } },
    {
      apiVersion,
      kind: 'Alert',
      metadata,
      spec: { providerRef: { name: 'page' }, eventSources: [{ kind: 'HelmRelease', name: '*' }] },
    },
  ])
  board.note(page.url)
}

export async function install(stage: Stage): Promise<void> {
  const pushedAt = performance.now()
  await edit(
    stage,
    'clusters/demo/kustomization.yaml',
    ['  - teahouse-production.yaml', '  - teahouse-production.yaml\n  - samovar.yaml'],
    'Buy a samovar',
  )
  await until(stage, 'helmrelease/samovar', isReady())
  assert.equal(await tea(stage), 'assam')
  stage.board.note(`revision 1 serves assam ${since(pushedAt)} after the push`)
  await told(stage, 'InstallSucceeded')
}

export async function upgrade(stage: Stage): Promise<void> {
  const pushedAt = performance.now()
  await edit(stage, release, ['tea: assam', 'tea: lapsang'], 'Serve lapsang')
  await untilRevision(stage, 2)
  assert.equal(await tea(stage), 'lapsang')
  stage.board.note(`revision 2 serves lapsang ${since(pushedAt)} after the push`)
  await told(stage, 'UpgradeSucceeded')
}

export async function failedUpgrade(stage: Stage): Promise<void> {
  const { board } = stage
  const pushedAt = performance.now()
  await edit(stage, release, ['tea: lapsang\n    port: 8080', 'tea: rooibos\n    port: 80800'], 'Serve rooibos, on a new port')
  const rolledBack = await until(stage, 'helmrelease/samovar', hasCondition('Remediated', 'True', 'RollbackSucceeded'))
  assert.deepEqual(revisions(rolledBack.status?.history).slice(0, 3), ['v4 deployed', 'v3 failed', 'v2 superseded'])
  assert.equal(await tea(stage), 'lapsang')
  board.note(`revision 4 is revision 2 again, ${since(pushedAt)} after the push`)
  const { message } = await told(stage, 'UpgradeFailed')
  assert.match(message, /spec\.ports\[0\]\.port: Invalid value: 80800/)
  await told(stage, 'RollbackSucceeded')
}

export async function mendedUpgrade(stage: Stage): Promise<void> {
  await edit(stage, release, ['port: 80800', 'port: 8081'], 'Take a port that there is')
  await untilRevision(stage, 5)
  assert.equal(await tea(stage), 'rooibos')
}

/** The page shows a notification of the samovar. */
async function told({ page, board }: Stage, reason: string): Promise<Notification> {
  const isIt = ({ involvedObject, ...notification }: Notification) =>
    notification.reason === reason && involvedObject.kind === 'HelmRelease' && involvedObject.name === 'samovar'
  const notification = await page.until(isIt)
  const [line = ''] = notification.message.split('\n')
  board.note(`✉ ${reason}: ${line}`)
  return notification
}

async function untilRevision(stage: Stage, version: number): Promise<void> {
  const isThere = (text: string | undefined) => text === `v${version} deployed`
  await until(stage, 'helmrelease/samovar', (hr) => isReady()(hr) && isThere(revisions(hr.status?.history)[0]))
}

/** Of `status.history`: `v2 deployed`. */
function revisions(history: unknown): string[] {
  const snapshots = Array.isArray(history) ? (history as { version: number; status: string }[]) : []
  return snapshots.map(({ version, status }) => `v${version} ${status}`)
}

async function tea({ kubectl }: Stage): Promise<string | undefined> {
  const { data } = await kubectl.json<{ data?: { tea?: string } }>('get', 'configmap/samovar', '--namespace', 'production')
  return data?.tea
}
