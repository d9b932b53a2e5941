import { dump } from 'js-yaml'
import { describe, expect, it } from 'vitest'
import type { Client } from '../../src/kube/client.ts'
import { ApiError } from '../../src/kube/transport.ts'
import { KubeConfigMissing, RemoteClusters, type RemoteClustersOptions } from '../../src/runtime/remote-clusters.ts'
import { strict } from '../fakes/remote-clusters.ts'

const signal = new AbortController().signal

function kubeconfig(user: object = { token: 'hunter2' }, cluster: object = {}): string {
  return dump({
    'current-context': 'far',
    contexts: [{ name: 'far', context: { cluster: 'far', user: 'me' } }],
    clusters: [{ name: 'far', cluster: { server: 'https://far.example:6443', ...cluster } }],
    users: [{ name: 'me', user }],
  })
}

/** The cluster that Sluice runs in, with one Secret. */
function near(secret: Record<string, string> | undefined) {
  const data = secret && Object.fromEntries(Object.entries(secret).map(([key, text]) => [key, btoa(text)]))
  const get = async () => {
    if (!data) throw new ApiError('secrets "far" not found', { status: 404, reason: 'NotFound' })
    return { data }
  }
  return { client: { get } as unknown as Client, signal }
}

const far = { namespace: 'apps', kubeConfig: { secretRef: { name: 'far' } } }

function clientFor(secret: Record<string, string> | undefined, options: RemoteClustersOptions = strict, key?: string) {
  return new RemoteClusters(options).of({ ...far, kubeConfig: { secretRef: { name: 'far', ...(key && { key }) } } }, near(secret))
}

describe('a remote cluster', () => {
  it('is found under value, else under value.yaml, else under the key that is named', async () => {
    for (const [secret, key] of [
      [{ value: kubeconfig(), 'value.yaml': 'wrong: [' }],
      [{ 'value.yaml': kubeconfig() }],
      [{ value: 'wrong: [', other: kubeconfig() }, 'other'],
    ] as const) {
      expect(await clientFor({ ...secret }, strict, key)).toBeDefined()
    }
  })

  it('has one client as long as its kubeconfig is the same', async () => {
    const clusters = new RemoteClusters(strict)
    const [one, other] = await Promise.all([1, 2].map(() => clusters.of(far, near({ value: kubeconfig() }))))
    expect(one).toBe(other)
    const first = await clusters.of(far, near({ value: kubeconfig() }))
    expect(await clusters.of(far, near({ value: kubeconfig() }))).toBe(first)
    expect(await clusters.of(far, near({ value: kubeconfig({ token: 'new' }) }))).not.toBe(first)
    expect(await clusters.of({ ...far, namespace: 'other' }, near({ value: kubeconfig() }))).not.toBe(first)
  })

  it('is told from one whose Secret is gone', async () => {
    const error = await clientFor(undefined).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(KubeConfigMissing)
    expect(String(error)).toContain('could not get KubeConfig secret \'apps/far\': secrets "far" not found')
  })

  it.each([
    ['a Secret without the default keys', { other: kubeconfig() }, undefined, "does not contain a 'value' or 'value.yaml' key"],
    ['a Secret without the key', { value: kubeconfig() }, 'prod', "does not contain a 'prod' key with data"],
    ['a text that is no YAML', { value: 'users: [hunter2' }, undefined, 'not valid YAML'],
    ['a program to run', { value: kubeconfig({ exec: { command: '/bin/hunter2' } }) }, undefined, 'exec plugins'],
    ['a file of ours', { value: kubeconfig({ tokenFile: '/var/run/hunter2' }) }, undefined, '"tokenFile" names a file'],
  ])('SEC-06 is refused for %s, and nothing of the kubeconfig is told', async (_, secret, key, message) => {
    const error = await clientFor(secret as Record<string, string>, strict, key).catch((thrown: unknown) => thrown)
    expect(String(error)).toContain("KubeConfig secret 'apps/far'")
    expect(String(error)).toContain(message)
    expect(String(error)).not.toContain('hunter2')
  })

  it('SEC-06 may run a program where the operator of Sluice allows it', async () => {
    const secret = { value: kubeconfig({ exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'login' } }) }
    expect(await clientFor(secret, { ...strict, allowExec: true })).toBeDefined()
  })
})
