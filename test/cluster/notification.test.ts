/** Events of the loops, through Alerts and Providers, to services: what the people who wrote them get to see. */
import { describe, expect, inject, it } from 'vitest'
import { type Cluster, hasCondition, isReady, type Manifest, openCluster } from './harness.ts'
import { openWebhook } from './webhook.ts'

const apiVersion = 'notification.toolkit.fluxcd.io/v1beta3'

function alert(name: string, spec: Readonly<Record<string, unknown>>): Manifest {
  return { apiVersion, kind: 'Alert', metadata: { name }, spec: { providerRef: { name }, ...spec } }
}

function provider(name: string, address: string, spec: Readonly<Record<string, unknown>> = {}): Manifest {
  return { apiVersion, kind: 'Provider', metadata: { name }, spec: { type: 'generic', address, ...spec } }
}

function configMap(name: string, version = '1'): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {version: '${version}'}\n`
}

const kustomizations = [{ kind: 'Kustomization', name: '*' }]

/** A source and a Kustomization that is Ready. */
async function startApp(cluster: Cluster, metadata: Partial<Manifest['metadata']> = {}) {
  const repository = await cluster.repository('app', { 'a.yaml': configMap('app') })
  const app = cluster.kustomization('app', { targetNamespace: cluster.namespace })
  await cluster.apply(cluster.gitRepository('app'), { ...app, metadata: { ...app.metadata, ...metadata } })
  await cluster.until('kustomization/app', isReady())
  return {
    repository,
    async push(files: Record<string, string>, message: string): Promise<string> {
      const commit = await repository.commit(files, message)
      await cluster.reconcile('gitrepository/app')
      return `main@sha1:${commit}`
    },
  }
}

describe('the notification loop', () => {
  it('UC-15 NOT-ALR-01 NOT-PRV-04 tells a failure and the recovery from it once each, with object, revision and reason', async () => {
    await using cluster = await openCluster(inject('kubeconfig'), 'notify')
    await using webhook = await openWebhook()
    await cluster.startSluice()
    await cluster.apply(provider('all', `${webhook.address}/all`), alert('all', { eventSources: kustomizations }))
    await cluster.apply(
      provider('errors', `${webhook.address}/errors`),
      alert('errors', { eventSources: kustomizations, eventSeverity: 'error' }),
    )
    const app = await startApp(cluster)
    const broken = await app.push({ 'a.yaml': 'kind: [' }, 'broken')
    await cluster.until('kustomization/app', hasCondition('Ready', 'False', 'BuildFailed'))
    await webhook.until('/errors', ({ reason }) => reason === 'BuildFailed')
    // The same failure again is no news.
    await cluster.reconcile('kustomization/app')
    await cluster.reconcile('kustomization/app')
    const mended = await app.push({ 'a.yaml': configMap('app', '2') }, 'mended')
    await cluster.until('kustomization/app', isReady(mended))
    await webhook.until('/all', ({ metadata }) => metadata.revision === mended && metadata.commit_status === 'update')

    const failures = webhook.told('/errors')
    expect(failures).toEqual([
      {
        involvedObject: expect.objectContaining({ kind: 'Kustomization', namespace: cluster.namespace, name: 'app' }),
        severity: 'error',
        timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
        message: expect.stringContaining('a.yaml'),
        reason: 'BuildFailed',
        metadata: { revision: broken },
        reportingController: 'kustomize-controller',
        reportingInstance: expect.any(String),
      },
    ])
    const recovery = webhook.told('/all').filter(({ metadata, reason }) => metadata.revision === mended && reason === 'Progressing')
    expect(recovery.map(({ message }) => message)).toEqual([`ConfigMap/${cluster.namespace}/app configured`])
    const request = webhook.requests.find(({ url }) => url === '/errors')
    expect([request?.method, request?.headers['content-type'], request?.headers['gotk-component']]).toEqual([
      'POST',
      'application/json',
      'kustomize-controller',
    ])
  })

  it('NOT-ALR-02 NOT-ALR-03 NOT-ALR-04 NOT-ALR-05 F-NTF-06 selects by severity, message and labels, and adds what the Alert says', async () => {
    await using cluster = await openCluster(inject('kubeconfig'), 'notify-select')
    await using webhook = await openWebhook()
    await cluster.startSluice()
    const to = (name: string, spec: Readonly<Record<string, unknown>>) => [
      provider(name, `${webhook.address}/${name}`),
      alert(name, { eventSources: kustomizations, ...spec }),
    ]
    await cluster.apply(
      ...to('all', { eventMetadata: { env: 'alert', team: 'web' }, summary: 'the summary' }),
      ...to('labelled', { eventSources: [{ kind: 'Kustomization', name: '*', matchLabels: { tier: 'front' } }] }),
      ...to('otherlabel', { eventSources: [{ kind: 'Kustomization', name: '*', matchLabels: { tier: 'back' } }] }),
      ...to('othername', { eventSources: [{ kind: 'Kustomization', name: 'other' }] }),
      ...to('otherkind', { eventSources: [{ kind: 'HelmRelease', name: 'app' }] }),
      ...to('othernamespace', { eventSources: [{ kind: 'Kustomization', name: 'app', namespace: 'default' }] }),
      ...to('included', { inclusionList: ['.*created$', '['] }),
      ...to('excluded', { exclusionList: ['(?i)CREATED$', '['] }),
      ...to('suspended', { suspend: true }),
      provider('off', `${webhook.address}/off`, { suspend: true }),
      alert('off', { eventSources: kustomizations }),
    )
    await startApp(cluster, { labels: { tier: 'front' }, annotations: { 'event.toolkit.fluxcd.io/env': 'object' } })
    await webhook.until('/all', ({ metadata }) => metadata.commit_status === 'update')
    await webhook.until('/excluded', ({ metadata }) => metadata.commit_status === 'update')
    await webhook.until('/labelled', ({ metadata }) => metadata.commit_status === 'update')
    const created = `ConfigMap/${cluster.namespace}/app created`
    const messages = (name: string) => webhook.told(`/${name}`).map(({ message }) => message)
    expect(messages('all')).toEqual([created, expect.stringMatching(/^Reconciliation finished/)])
    expect(messages('labelled')).toEqual(messages('all'))
    expect(messages('included')).toEqual([created])
    expect(messages('excluded')).toEqual([expect.stringMatching(/^Reconciliation finished/)])
    for (const name of ['otherlabel', 'othername', 'otherkind', 'othernamespace', 'suspended', 'off'])
      expect([name, ...messages(name)]).toEqual([name])
    // The Alert beats the object's annotations, and the conflict is told.
    expect(webhook.told('/all')[0]?.metadata).toMatchObject({ env: 'alert', team: 'web', summary: 'the summary' })
    await expect
      .poll(() => cluster.events('alert/all'), { timeout: 20_000 })
      .toContainEqual(
        expect.objectContaining({ type: 'Warning', reason: 'MetadataAppendFailed', message: expect.stringContaining('conflicts') }),
      )
    await expect
      .poll(() => cluster.events('alert/included'), { timeout: 20_000 })
      .toContainEqual(expect.objectContaining({ reason: 'InvalidConfig', message: 'failed to compile inclusion regex: [' }))
    await expect
      .poll(() => cluster.events('alert/excluded'), { timeout: 20_000 })
      .toContainEqual(expect.objectContaining({ reason: 'InvalidConfig', message: 'failed to compile exclusion regex: [' }))
  })

  it('NOT-ALR-05 F-TEN-01 with --no-cross-namespace-refs refuses events of other namespaces, on the Alert', async () => {
    await using cluster = await openCluster(inject('kubeconfig'), 'notify-cross')
    await using webhook = await openWebhook()
    const sluice = await cluster.startSluice({ flags: { 'no-cross-namespace-refs': 'true' } })
    const other = `${cluster.namespace}-other`
    await cluster.kubectl('create', 'namespace', other)
    const eventSources = [
      { kind: 'Kustomization', name: '*' },
      { kind: 'Kustomization', name: '*', namespace: other },
    ]
    await cluster.apply(provider('all', `${webhook.address}/all`), alert('all', { eventSources }))
    const post = (namespace: string) =>
      fetch(`${sluice.address('events')}/`, { method: 'POST', body: JSON.stringify(eventOf({ namespace, message: namespace })) })
    expect((await post(other)).status).toBe(202)
    expect((await post(cluster.namespace)).status).toBe(202)
    await webhook.until('/all', ({ message }) => message === cluster.namespace)
    await expect
      .poll(() => cluster.events('alert/all'), { timeout: 20_000 })
      .toContainEqual(
        expect.objectContaining({
          type: 'Warning',
          reason: 'NotificationDispatchFailed',
          message: `failed to dispatch notification for Kustomization/${other}/app: discarding event, access denied to cross-namespace sources: alert '${cluster.namespace}/all' can't process event from 'Kustomization/${other}/app', cross-namespace references have been blocked`,
        }),
      )
    expect(webhook.told().map(({ message }) => message)).toEqual([cluster.namespace])
  })

  it('NOT-EVT-01 NOT-EVT-02 F-NTF-03 takes events of other programs, and tells the same one once', async () => {
    await using cluster = await openCluster(inject('kubeconfig'), 'notify-intake')
    await using webhook = await openWebhook()
    const sluice = await cluster.startSluice()
    await cluster.apply(provider('all', `${webhook.address}/all`), alert('all', { eventSources: kustomizations }))
    await cluster.until('provider/all', ({ metadata }) => metadata.finalizers?.includes('finalizers.fluxcd.io') ?? false)
    const post = async (body: object | string) => {
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      return (await fetch(`${sluice.address('events')}/`, { method: 'POST', body: text })).status
    }
    const event = eventOf({ namespace: cluster.namespace, message: 'from elsewhere' })
    expect(await post(event)).toBe(202)
    const again = await Promise.all(Array.from({ length: 999 }, () => post(event)))
    expect(new Set(again)).toEqual(new Set([429]))
    expect(await post({ ...event, metadata: { ...event.metadata, 'kustomize.toolkit.fluxcd.io/revision': 'main@sha1:b' } })).toBe(
      202,
    )
    expect(await post({ ...event, involvedObject: { ...event.involvedObject, kind: 'Bucket' } })).toBe(202)
    expect(await post('{')).toBe(400)
    expect(await post('x'.repeat(3 * 1024 * 1024 + 1))).toBe(413)
    await expect.poll(() => webhook.told().length, { timeout: 20_000 }).toBe(2)
    expect(webhook.told()[0]).toEqual({
      ...event,
      involvedObject: expect.objectContaining(event.involvedObject),
      metadata: { revision: 'main@sha1:a', env: 'prod' },
      reportingInstance: 'elsewhere',
    })
    const metrics = await sluice.metrics()
    expect(metrics.sum('gotk_event_http_request_duration_seconds_count', { handler: '/', method: 'POST', code: '429' })).toBe(999)
    expect(metrics.sum('gotk_event_http_response_size_bytes_count', { code: '202' })).toBe(3)
    expect(metrics.sum('gotk_event_http_requests_inflight')).toBe(0)
  })

  it('NOT-EVT-03 NOT-EVT-04 NOT-PRV-10 tells on the Alert what a delivery failed with, without the secrets', async () => {
    await using cluster = await openCluster(inject('kubeconfig'), 'notify-fail')
    await using webhook = await openWebhook(({ url }) => (url.startsWith('/hooks/') ? 403 : 200))
    const sluice = await cluster.startSluice()
    await cluster.apply(
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'address' },
        stringData: { address: `${webhook.address}/hooks/s3cr3t`, token: 't0ken', headers: 'X-Key: k3y-value\n' },
      },
      provider('all', 'not used', { secretRef: { name: 'address' } }),
      alert('all', { eventSources: kustomizations }),
      provider('lost', 'http://127.0.0.1/', { secretRef: { name: 'nowhere' } }),
      alert('lost', { eventSources: kustomizations }),
      alert('orphan', { eventSources: kustomizations, providerRef: { name: 'nobody' } }),
    )
    await cluster.until('provider/lost', ({ metadata }) => metadata.finalizers?.includes('finalizers.fluxcd.io') ?? false)
    const event = eventOf({ namespace: cluster.namespace, message: 'news' })
    await fetch(`${sluice.address('events')}/`, { method: 'POST', body: JSON.stringify(event) })
    const failure = async (name: string) => {
      const find = async () => (await cluster.events(`alert/${name}`)).find(({ reason }) => reason === 'NotificationDispatchFailed')
      await expect.poll(find, { timeout: 20_000 }).toMatchObject({ type: 'Warning' })
      return (await find())?.message
    }
    const about = `for Kustomization/${cluster.namespace}/app:`
    expect(await failure('all')).toBe(`failed to send notification ${about} request failed with status code 403: the answer`)
    expect(await failure('lost')).toContain(
      `failed to dispatch notification ${about} failed to get secret '${cluster.namespace}/nowhere'`,
    )
    expect(await failure('orphan')).toBe(
      `failed to dispatch notification ${about} failed to read provider: Provider '${cluster.namespace}/nobody' not found`,
    )
    expect(webhook.requests[0]).toMatchObject({ url: '/hooks/s3cr3t', headers: { 'x-key': 'k3y-value' } })
    for (const secret of ['s3cr3t', 't0ken', 'k3y-value']) expect(JSON.stringify(sluice.logs)).not.toContain(secret)
  })

  it('takes the finalizer of older versions off Alerts, and keeps one on Providers until they are deleted', async () => {
    await using cluster = await openCluster(inject('kubeconfig'), 'notify-finalizers')
    await cluster.startSluice()
    const finalizers = ['example.com/other', 'finalizers.fluxcd.io']
    const old = alert('old', { eventSources: kustomizations })
    const suspended = alert('suspended', { eventSources: kustomizations, suspend: true })
    await cluster.apply(
      { ...old, metadata: { ...old.metadata, finalizers } as Manifest['metadata'] },
      { ...suspended, metadata: { ...suspended.metadata, finalizers: ['finalizers.fluxcd.io'] } as Manifest['metadata'] },
      provider('kept', 'http://127.0.0.1/'),
    )
    await cluster.until('alert/old', ({ metadata }) => metadata.finalizers?.join() === 'example.com/other')
    await cluster.until('provider/kept', ({ metadata }) => metadata.finalizers?.join() === 'finalizers.fluxcd.io')
    await expect
      .poll(() => cluster.events('alert/old'), { timeout: 20_000 })
      .toEqual([
        expect.objectContaining({
          type: 'Normal',
          reason: 'Migration',
          message: 'removed finalizer from Alert to migrate to static Alert',
        }),
      ])
    expect((await cluster.get('alert/suspended')).metadata.finalizers).toEqual(['finalizers.fluxcd.io'])
    await cluster.kubectl('delete', 'alert/suspended', 'provider/kept')
    await cluster.untilGone('alert/suspended')
    await cluster.untilGone('provider/kept')
  })
})

function eventOf({ namespace, message }: { readonly namespace: string; readonly message: string }) {
  return {
    involvedObject: { apiVersion: 'kustomize.toolkit.fluxcd.io/v1', kind: 'Kustomization', namespace, name: 'app' },
    severity: 'info',
    timestamp: '2026-01-02T03:04:05Z',
    message,
    reason: 'Testing',
    metadata: {
      'kustomize.toolkit.fluxcd.io/revision': 'main@sha1:a',
      'kustomize.toolkit.fluxcd.io/checksum': 'c',
      'event.toolkit.fluxcd.io/env': 'prod',
      'example.com/foreign': 'dropped',
    },
    reportingController: 'other-controller',
    reportingInstance: 'elsewhere',
  }
}
