/** The real flux command on Sluice: Providers, Alerts and Receivers. */
import { loadAll } from 'js-yaml'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type Flux, fluxOf, inMilliseconds } from '../tools/flux.ts'
import type { Repository } from '../tools/repository.ts'
import { type Cluster, isReady, openCluster, type Sluice } from './harness.ts'
import { openWebhook, type Webhook } from './webhook.ts'

const resources = new AsyncDisposableStack()
const token = 'a-token-for-hooks'
let cluster: Cluster
let sluice: Sluice
let flux: Flux
let webhook: Webhook
let repository: Repository
let label: string

beforeAll(async () => {
  cluster = resources.use(await openCluster(inject('kubeconfig'), 'flux-notify'))
  sluice = await cluster.startSluice()
  webhook = resources.use(await openWebhook())
  flux = await fluxOf(cluster)
  label = `--label=${Object.entries(cluster.labels).map((pair) => pair.join('='))}`
  repository = await cluster.repository('apps', { 'a.yaml': settings('1') })
  await cluster.apply(
    cluster.gitRepository('apps', { interval: '1h' }),
    cluster.kustomization('apps', { targetNamespace: cluster.namespace, interval: '1h' }),
  )
  await cluster.until('kustomization/apps', isReady())
})

afterAll(() => resources.disposeAsync())

function settings(version: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {version: '${version}'}\n`
}

describe('flux and alerts', () => {
  it('CLI-11 makes a Provider and an Alert, which tells of what happens then', async () => {
    const provider = ['--type=generic', `--address=${webhook.address}/alerts`, label]
    expect(await flux.said('create', 'alert-provider', 'hook', ...provider)).toContain('✔ Provider hook is ready')
    const alert = ['--provider-ref=hook', '--event-severity=info', '--event-source=Kustomization/*', label]
    expect(await flux.said('create', 'alert', 'everything', ...alert)).toContain('✔ Alert everything is ready')
    const commit = await repository.commit({ 'a.yaml': settings('2') }, 'second')
    await flux('reconcile', 'kustomization', 'apps', '--with-source')
    const told = await webhook.until(
      '/alerts',
      ({ reason, metadata }) => reason === 'Progressing' && metadata.revision?.includes(commit) === true,
    )
    expect(told.message).toBe(`ConfigMap/${cluster.namespace}/settings configured`)
  })

  it('CLI-15 CLI-18 shows them, and stops and resumes the Alert', async () => {
    expect(await flux.rows('get', 'alerts')).toEqual([
      { NAME: 'everything', SUSPENDED: 'False', READY: 'True', MESSAGE: 'Alert is Ready' },
    ])
    expect(await flux.rows('get', 'alert-providers')).toEqual([{ NAME: 'hook', READY: 'True', MESSAGE: 'Provider is Ready' }])
    await flux('suspend', 'alert', 'everything')
    await flux('suspend', 'alert-provider', 'hook')
    expect((await flux.rows('get', 'alerts'))[0]).toMatchObject({ SUSPENDED: 'True' })
    await flux('resume', 'alert-provider', 'hook')
    expect(await flux.said('resume', 'alert', 'everything')).toContain('✔ Alert reconciliation completed')
    const all = await flux('get', 'all')
    for (const name of ['alert/everything', 'provider/hook']) expect(all).toContain(name)
  })
})

describe('flux and receivers', () => {
  it('CLI-11 CLI-13 makes a Receiver with a token, and says its address', async () => {
    await flux('create', 'secret', 'receiver', 'token', '--type=generic', `--token=${token}`, '--hostname=hooks.example.com')
    const made = await flux.said(
      ...['create', 'receiver', 'push', '--type=generic', '--secret-ref=token', '--resource=GitRepository/apps', label],
    )
    expect(made).toContain('✔ Receiver push is ready')
    const { webhookPath } = (await cluster.get('receiver/push')).status as { webhookPath: string }
    expect(made).toContain(`✔ generated webhook URL ${webhookPath}`)
    expect((await flux.rows('get', 'receivers'))[0]).toEqual({
      NAME: 'push',
      SUSPENDED: 'False',
      READY: 'True',
      MESSAGE: `Receiver initialized for path: ${webhookPath}`,
    })
    expect(await flux.said('reconcile', 'receiver', 'push')).toContain('✔ Receiver reconciliation completed')
  })

  it('CLI-33 calls it, and what was pushed is applied', async () => {
    const commit = await repository.commit({ 'a.yaml': settings('3') }, 'third')
    const how = [`--url=${sluice.address('receivers')}`, `--token=${token}`, '--retries=0']
    await flux('trigger', 'receiver', 'push', ...how)
    await cluster.until('kustomization/apps', isReady(commit))
    expect((await flux.tried('trigger', 'receiver', 'push', how[0] ?? '', '--token=another', '--retries=0')).code).toBe(1)
  })

  it('CLI-33 calls one that wants a signature', async () => {
    await flux('create', 'receiver', 'signed', '--type=generic-hmac', '--secret-ref=token', '--resource=GitRepository/apps', label)
    const commit = await repository.commit({ 'a.yaml': settings('4') }, 'fourth')
    const how = ['--type=generic-hmac', `--url=${sluice.address('receivers')}`, `--token=${token}`, '--retries=0']
    await flux('trigger', 'receiver', 'signed', ...how)
    await cluster.until('kustomization/apps', isReady(commit))
    await flux('delete', 'receiver', 'signed', '--silent')
  })

  it('CLI-18 a suspended one is not reconciled until it is resumed', async () => {
    await flux('suspend', 'receiver', 'push')
    expect((await flux.tried('reconcile', 'receiver', 'push')).stderr).toContain('resource is suspended')
    expect(await flux.said('resume', 'receiver', 'push')).toContain('✔ Receiver reconciliation completed')
  })
})

describe('flux export, stats and delete', () => {
  it('CLI-20 CLI-25 prints them as they were made, and counts them', async () => {
    const kinds = ['alert', 'alert-provider', 'receiver']
    const texts = await Promise.all(kinds.map((kind) => flux('export', kind, '--all')))
    const exported = loadAll(texts.join('')) as Awaited<ReturnType<Cluster['get']>>[]
    expect(exported.map(({ kind }) => kind)).toEqual(['Alert', 'Provider', 'Receiver'])
    for (const { kind, metadata, spec } of exported)
      expect(inMilliseconds((await cluster.get(`${kind}/${metadata.name}`)).spec)).toMatchObject(inMilliseconds(spec) as object)
    const rows = new Map((await flux.rows('stats')).map((row) => [row.RECONCILERS, row]))
    for (const kind of ['Alert', 'Provider', 'Receiver']) expect(rows.get(kind)).toMatchObject({ RUNNING: '1', FAILING: '0' })
  })

  it('CLI-19 deletes them', async () => {
    await flux('delete', 'receiver', 'push', '--silent')
    await flux('delete', 'alert', 'everything', '--silent')
    await flux('delete', 'alert-provider', 'hook', '--silent')
    for (const ref of ['receiver/push', 'alert/everything', 'provider/hook']) await cluster.untilGone(ref)
    expect((await flux.tried('get', 'alerts')).stderr).toContain('no Alert objects found')
  })
})
