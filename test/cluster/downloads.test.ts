/** Artifacts that come from elsewhere, as they do where the source loop is another process. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { writeTarball } from '../../src/lib/tarball/index.ts'
import { freePort, temporaryDirectory } from '../tools/processes.ts'
import { type Cluster, conditionOf, hasCondition, isReady, openCluster } from './harness.ts'

let cluster: Cluster
let server: Server
let archive: Uint8Array
let asked = 0
/** Resolves when a download hangs. */
const hanging = Promise.withResolvers<void>()

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'downloads')
  const file = join(await temporaryDirectory('archive'), 'a.tar.gz')
  const content = Buffer.from('apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app}\n')
  await writeTarball(file, [{ path: 'a.yaml', executable: false, content }])
  archive = await readFile(file)
  server = createServer((request, response) => {
    asked++
    if (request.url === '/whole') response.end(archive)
    else if (request.url === '/gone') response.writeHead(404).end()
    else hanging.resolve()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  await cluster.startSluice({ flags: { concurrent: '2', 'requeue-dependency': '5s' } })
})

afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await cluster?.[Symbol.asyncDispose]()
})

/** A GitRepository that another process works on: its artifact is at this path of the server, or at an address. */
async function source(name: string, at: string): Promise<void> {
  const url = at.startsWith('/') ? `http://127.0.0.1:${(server.address() as AddressInfo).port}${at}` : at
  const manifest = cluster.gitRepository(name)
  // Without the label that gives it to this test's Sluice.
  await cluster.kubectl.apply({ ...manifest, metadata: { ...manifest.metadata, namespace: cluster.namespace } })
  const digest =
    at === '/whole' ? createHash('sha256').update(archive).digest('hex') : createHash('sha256').update(at).digest('hex')
  const revision = `main@sha1:${createHash('sha1').update(at).digest('hex')}`
  const path = `gitrepository/${cluster.namespace}/${name}/a.tar.gz`
  const artifact = { path, url, revision, digest: `sha256:${digest}`, lastUpdateTime: '2026-01-01T00:00:00Z' }
  const patch = JSON.stringify({ status: { artifact } })
  await cluster.kubectl('patch', 'gitrepository', name, '--subresource=status', '--type=merge', '-p', patch)
}

function kustomization(name: string, sourceName: string) {
  const sourceRef = { kind: 'GitRepository', name: sourceName }
  return cluster.kustomization(name, { targetNamespace: cluster.namespace, namePrefix: `${name}-`, sourceRef })
}

it('a source whose artifact never comes holds up nobody else, and its own only until it has another', async () => {
  await source('stuck', '/never')
  await source('healthy', '/whole')
  const stuck = Array.from({ length: 20 }, (_, index) => `stuck-${index}`)
  await cluster.apply(...stuck.map((name) => kustomization(name, 'stuck')))
  await hanging.promise
  const isFetching = hasCondition('Reconciling', 'True', 'Progressing', 'Fetching manifests for revision')
  await Promise.all(stuck.map((name) => cluster.until(`kustomization/${name}`, isFetching)))
  await cluster.apply(kustomization('healthy', 'healthy'))
  await cluster.until('kustomization/healthy', isReady(), { timeoutMs: 5_000 })
  expect(asked).toBe(2)
  await source('stuck', '/whole')
  await Promise.all(stuck.map((name) => cluster.until(`kustomization/${name}`, isReady(), { timeoutMs: 10_000 })))
})

it('F-ART-08 KUS-REC-03 says which address does not answer, and that an artifact is gone, and takes the next one at once', async () => {
  await source('dead', `http://127.0.0.1:${await freePort()}/a.tar.gz`)
  await source('gone', '/gone')
  await cluster.apply(kustomization('dead', 'dead'), kustomization('gone', 'gone'))
  const dead = await cluster.until('kustomization/dead', hasCondition('Ready', 'False', 'ArtifactFailed'))
  expect(conditionOf(dead, 'Ready')?.message).toMatch(
    /^failed to download http:\/\/127\.0\.0\.1:\d+\/a\.tar\.gz: .*ECONNREFUSED.*, retrying in \d+s$/,
  )
  const said = 'Source is not ready, artifact not found, retrying in 5s'
  await cluster.until('kustomization/gone', hasCondition('Ready', 'False', 'ArtifactFailed', said))
  await source('dead', '/whole')
  await source('gone', '/whole')
  for (const name of ['dead', 'gone']) await cluster.until(`kustomization/${name}`, isReady(), { timeoutMs: 5_000 })
})
