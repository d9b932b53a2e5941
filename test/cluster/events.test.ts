/** Events that the whole program posts to `--events-addr`, received as notification-controller would. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, inject, it } from 'vitest'
import { type Cluster, hasCondition, isReady, openCluster } from './harness.ts'

interface Posted {
  readonly involvedObject: Readonly<Record<string, string>>
  readonly severity: string
  readonly timestamp: string
  readonly message: string
  readonly reason: string
  readonly metadata: Readonly<Record<string, string>>
  readonly reportingController: string
  readonly reportingInstance: string
}

interface Receiver extends AsyncDisposable {
  readonly address: string
  readonly requests: {
    readonly method: string
    readonly url: string
    readonly headers: IncomingHttpHeaders
    readonly body: string
  }[]
  events(): Posted[]
  /** Waits for an event that fits. */
  until(fits: (event: Posted) => boolean): Promise<Posted>
}

/** Answers each request with the status that `answer` gives, 202 when absent. */
async function receive(answer: (event: Posted, tries: number) => number = () => 202): Promise<Receiver> {
  const requests: Receiver['requests'] = []
  const tries = new Map<string, number>()
  const server = createServer(async (request, response) => {
    const body = await text(request)
    requests.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body })
    tries.set(body, (tries.get(body) ?? 0) + 1)
    response.writeHead(answer(JSON.parse(body), tries.get(body) ?? 1)).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const events = () => requests.map(({ body }) => JSON.parse(body) as Posted)
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    requests,
    events,
    async until(fits) {
      await expect.poll(() => events().some(fits), { timeout: 20_000, message: 'an event was not posted' }).toBe(true)
      return events().find(fits) as Posted
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

function configMap(name: string, version = '1'): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {version: '${version}'}\n`
}

const hostname = 'sluice-0'

function startSluice(cluster: Cluster, receiver: Receiver) {
  const flags = { controllers: 'source,kustomize', 'events-addr': receiver.address }
  return cluster.startSluice({ flags, env: { HOSTNAME: hostname } })
}

describe('--events-addr', () => {
  it('OBS-01 OBS-02 gets each event with the object, the severity and the metadata that providers use', async () => {
    await using cluster = await openCluster(inject('kubeconfig'), 'events')
    await using receiver = await receive()
    await startSluice(cluster, receiver)
    const repository = await cluster.repository('app', { 'a.yaml': configMap('app') })
    const annotations = { 'event.toolkit.fluxcd.io/env': 'prod', 'example.com/other': 'not copied' }
    const annotated = <T extends { metadata: object }>(manifest: T) => ({
      ...manifest,
      metadata: { ...manifest.metadata, annotations },
    })
    await cluster.apply(
      annotated(cluster.gitRepository('app')),
      annotated(cluster.kustomization('app', { targetNamespace: cluster.namespace, interval: '7m' })),
    )
    await cluster.until('kustomization/app', isReady())
    const revision = `main@sha1:${await repository.head()}`

    const stored = await receiver.until(({ reason }) => reason === 'NewArtifact')
    const source = await cluster.get('gitrepository/app')
    const reference = (object: typeof source) => ({
      apiVersion: object.apiVersion,
      kind: object.kind,
      namespace: cluster.namespace,
      name: 'app',
      uid: object.metadata.uid,
      resourceVersion: expect.stringMatching(/^\d+$/),
    })
    expect(stored).toEqual({
      involvedObject: reference(source),
      severity: 'info',
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      message: "stored artifact for commit 'first commit'",
      reason: 'NewArtifact',
      metadata: {
        'source.toolkit.fluxcd.io/revision': revision,
        'source.toolkit.fluxcd.io/digest': source.status?.artifact?.digest,
        'event.toolkit.fluxcd.io/env': 'prod',
      },
      reportingController: 'source-controller',
      reportingInstance: hostname,
    })

    const finished = await receiver.until(({ reason }) => reason === 'ReconciliationSucceeded')
    expect(finished).toEqual({
      involvedObject: reference(await cluster.get('kustomization/app')),
      severity: 'info',
      timestamp: expect.any(String),
      message: expect.stringMatching(/^Reconciliation finished in \S+, next run in 7m0s$/),
      reason: 'ReconciliationSucceeded',
      metadata: {
        'kustomize.toolkit.fluxcd.io/revision': revision,
        'kustomize.toolkit.fluxcd.io/commit_status': 'update',
        'event.toolkit.fluxcd.io/env': 'prod',
      },
      reportingController: 'kustomize-controller',
      reportingInstance: hostname,
    })
    const applied = await receiver.until(({ reason }) => reason === 'Progressing')
    expect(applied).toMatchObject({ severity: 'info', message: `ConfigMap/${cluster.namespace}/app created` })
    expect(applied.metadata['kustomize.toolkit.fluxcd.io/commit_status']).toBeUndefined()
    for (const { method, url, headers } of receiver.requests)
      expect([method, url, headers['content-type']]).toEqual(['POST', '/', 'application/json'])

    const broken = await repository.commit({ 'a.yaml': 'kind: [' }, 'broken')
    await cluster.reconcile('gitrepository/app')
    await cluster.until('kustomization/app', hasCondition('Ready', 'False', 'BuildFailed'))
    const failed = await receiver.until(({ severity }) => severity === 'error')
    expect(failed).toMatchObject({
      reason: 'BuildFailed',
      metadata: { 'kustomize.toolkit.fluxcd.io/revision': `main@sha1:${broken}` },
    })
    expect(failed.message).toContain('a.yaml')
  })

  it('OBS-03 does not get what is of interest in the cluster only', async () => {
    await using cluster = await openCluster(inject('kubeconfig'), 'events-trace')
    await using receiver = await receive()
    await startSluice(cluster, receiver)
    const repository = await cluster.repository('app', { 'a.yaml': configMap('app') })
    await cluster.apply(cluster.gitRepository('app'))
    await cluster.until('gitrepository/app', isReady())
    await cluster.reconcile('gitrepository/app')
    const events = () => cluster.events('gitrepository/app')
    await expect
      .poll(async () => (await events()).map(({ reason }) => reason), { timeout: 20_000 })
      .toContain('GitOperationSucceeded')
    const recorded = (await events()).find(({ reason }) => reason === 'GitOperationSucceeded')
    expect(recorded).toMatchObject({
      type: 'Normal',
      message: `no changes since last reconciliation: observed revision 'main@sha1:${await repository.head()}'`,
    })
    // They are posted in order: what comes after it is there, it is not.
    await repository.commit({ 'a.yaml': configMap('app', '2') }, 'second')
    await cluster.reconcile('gitrepository/app')
    await receiver.until(({ message }) => message.includes('second'))
    expect(receiver.events().map(({ reason }) => reason)).toEqual(['NewArtifact', 'NewArtifact'])
  })

  it('gets an event again after a server error, and not after 429; the objects do not wait for it', async () => {
    await using cluster = await openCluster(inject('kubeconfig'), 'events-retry')
    await using receiver = await receive(({ involvedObject }, tries) =>
      involvedObject.kind === 'GitRepository' ? (tries < 2 ? 503 : 202) : 429,
    )
    await startSluice(cluster, receiver)
    await cluster.repository('app', { 'a.yaml': configMap('app') })
    await cluster.apply(cluster.gitRepository('app'), cluster.kustomization('app', { targetNamespace: cluster.namespace }))
    await cluster.until('kustomization/app', isReady())
    await receiver.until(({ reason }) => reason === 'ReconciliationSucceeded')
    const kinds = receiver.events().map(({ involvedObject }) => involvedObject.kind)
    expect(kinds.filter((kind) => kind === 'GitRepository')).toHaveLength(2)
    const bodies = receiver.requests.map(({ body }) => body).filter((body) => body.includes('"kind":"Kustomization"'))
    expect(new Set(bodies).size).toBe(bodies.length)
  })
})
