/** Events of the loops on the commits and change requests that they come from. */
import { describe, expect, inject, it } from 'vitest'
import { openHostServer } from '../notification/providers/git-host-server.ts'
import { giteaHost, keep } from '../notification/providers/git-host-vendors.ts'
import { hasCondition, isReady, type Manifest, openCluster } from './harness.ts'

const apiVersion = 'notification.toolkit.fluxcd.io/v1beta3'
const token = 'a-token-that-nobody-sees'

function configMap(version: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app}\ndata: {version: '${version}'}\n`
}

function secret(name: string, stringData: Readonly<Record<string, string>>): Manifest {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name }, stringData }
}

describe('commits and change requests', () => {
  it('NOT-PRV-09 F-NTF-05 show what became of them, behind a proxy, with a CA of their own', async () => {
    await using cluster = await openCluster(inject('kubeconfig'), 'notify-git')
    await using host = await openHostServer()
    const kept = keep()
    const knows = (commit: string) => {
      const options = { origin: 'https://gitea.example.com', repository: 'org/app', authorization: `token ${token}`, commit }
      host.host = giteaHost(kept, options)
    }
    const sluice = await cluster.startSluice()
    const tell = (name: string, type: string, spec: Readonly<Record<string, unknown>>): Manifest[] => {
      const refs = { secretRef: { name: 'login' }, certSecretRef: { name: 'trust' }, proxySecretRef: { name: 'proxy' } }
      const address = 'https://gitea.example.com/org/app.git'
      const eventSources = [{ kind: 'Kustomization', name: 'app' }]
      return [
        { apiVersion, kind: 'Provider', metadata: { name }, spec: { type, address, ...refs, ...spec } },
        { apiVersion, kind: 'Alert', metadata: { name }, spec: { providerRef: { name }, eventSources } },
      ]
    }
    const expression = "event.involvedObject.kind + '/' + event.involvedObject.name + ' of ' + provider.metadata.name"
    const repository = await cluster.repository('app', { 'a.yaml': configMap('1') })
    knows(await repository.head())
    const app = cluster.kustomization('app', { targetNamespace: cluster.namespace })
    const annotations = { 'event.toolkit.fluxcd.io/change_request': '5' }
    await cluster.apply(
      secret('login', { token }),
      secret('trust', { 'ca.crt': host.connection.tls?.ca ?? '' }),
      secret('proxy', { address: host.connection.proxy?.href ?? '' }),
      ...tell('status', 'gitea', { commitStatusExpr: expression }),
      ...tell('comment', 'giteapullrequestcomment', {}),
    )
    await cluster.apply(cluster.gitRepository('app'), { ...app, metadata: { ...app.metadata, annotations } })
    await cluster.until('kustomization/app', isReady())
    const states = () => kept.statuses.map(({ status, context, description }) => `${context}: ${status} ${description}`)
    const context = 'Kustomization/app of status'
    await expect.poll(states, { timeout: 20_000 }).toEqual([`${context}: success reconciliation succeeded`])

    const push = async (text: string, { isKnown = true } = {}) => {
      const commit = await repository.commit({ 'a.yaml': text }, 'change')
      if (isKnown) knows(commit)
      await cluster.reconcile('gitrepository/app')
      return commit
    }
    await push('kind: [')
    await cluster.until('kustomization/app', hasCondition('Ready', 'False', 'BuildFailed'))
    await expect.poll(() => states().at(-1), { timeout: 20_000 }).toBe(`${context}: failure build failed`)
    await expect.poll(() => kept.comments.at(-1)?.body, { timeout: 20_000 }).toContain(`⚠️ Kustomization/${cluster.namespace}/app`)
    expect(kept.comments).toHaveLength(1)

    const unknown = await push('kind: {', { isKnown: false })
    const why = () =>
      cluster.events('alert/status').then((events) => events.filter(({ reason }) => reason === 'NotificationDispatchFailed'))
    await expect.poll(why, { timeout: 20_000 }).toHaveLength(1)
    expect((await why())[0]?.message).toContain(
      `failed to send notification for Kustomization/${cluster.namespace}/app: could not read the statuses of commit ${unknown}: request failed with status code 404: {"message":"Not Found"}`,
    )
    await cluster.reconcile('kustomization/app')
    await cluster.reconcile('kustomization/app')
    expect(await why()).toHaveLength(1)
    expect(JSON.stringify(sluice.logs)).not.toContain(token)
  })
})
