/** The network between processes of Sluice. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { expect, inject, it } from 'vitest'
import { conditionOf, hasCondition, isReady, openCluster } from './harness.ts'

it('F-OPS-05 names the source that the applier cannot reach, leaves what is applied, and goes on when it can', async () => {
  await using cluster = await openCluster(inject('kubeconfig'), 'faults-network')
  await using line = await openTcpLine()
  const sources = await cluster.startSluice({ flags: { controllers: 'source', 'storage-adv-addr': line.address } })
  line.leadTo(new URL(sources.address('artifacts')))
  const applier = await cluster.startSluice({ flags: { controllers: 'kustomize' } })
  const { pid } = applier
  const configMap = (value: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app}\ndata: {value: ${value}}\n`
  const repository = await cluster.repository('app', { 'a.yaml': configMap('one') })
  await cluster.apply(cluster.gitRepository('app'), cluster.kustomization('app', { targetNamespace: cluster.namespace }))
  await cluster.until('kustomization/app', isReady(await repository.head()))

  line.cut()
  const next = await repository.commit({ 'a.yaml': configMap('two') }, 'Next')
  await cluster.reconcile('gitrepository/app')
  const failed = await cluster.until('kustomization/app', hasCondition('Ready', 'False', 'ArtifactFailed'))
  const message = conditionOf(failed, 'Ready')?.message
  expect(message).toContain(`failed to download http://${line.address}/gitrepository/${cluster.namespace}/app/${next}.tar.gz`)
  expect(message).toMatch(/, retrying in \d+s$/)
  expect((await cluster.get('configmap/app')).data).toEqual({ value: 'one' })

  line.mend()
  await cluster.until('kustomization/app', isReady(next))
  expect((await cluster.get('configmap/app')).data).toEqual({ value: 'two' })
  expect(applier.pid).toBe(pid)
})

/** An address that leads elsewhere, until it is cut. */
async function openTcpLine() {
  const sockets = new Set<Socket>()
  let target: URL | undefined
  let isCut = false
  const server = createServer((incoming) => {
    sockets.add(incoming)
    incoming.on('error', () => {}).on('close', () => sockets.delete(incoming))
    if (isCut || !target) return incoming.destroy()
    const outgoing = connect(Number(target.port), target.hostname)
    sockets.add(outgoing)
    outgoing.on('error', () => incoming.destroy()).on('close', () => sockets.delete(outgoing))
    return incoming.pipe(outgoing).pipe(incoming)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const destroyAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    leadTo(url: URL) {
      target = url
    },
    cut() {
      isCut = true
      destroyAll()
    },
    mend() {
      isCut = false
    },
    async [Symbol.asyncDispose]() {
      server.close()
      destroyAll()
    },
  }
}
