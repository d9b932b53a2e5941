import assert from 'node:assert/strict'
import { hasCondition, type Live } from '../../test/tools/watch.ts'
import { webServer } from '../manifests.ts'
import { sluicePod } from '../pod.ts'
import { fluxNamespace, type Stage, type Step } from '../stage.ts'

const name = 'network-policies'
/** A web server that a policy of the test shuts off: whoever reaches it nevertheless is in a cluster that enforces none. */
const shut = 'shut-off'

export const networkPolicies: Step = {
  title: "UC-23 SEC-11 NetworkPolicies leave metrics and webhooks of Sluice's pod open to other namespaces, and nothing else",
  async run(stage) {
    const pod = await sluicePod(stage)
    const ports = portsOf(pod)
    const open = portsOpenTo(await policiesOf(stage, pod))
    assert.deepEqual(
      [...ports]
        .filter(([, number]) => open.has(number))
        .map(([port]) => port)
        .sort(),
      ['http-prom', 'http-webhook'],
    )

    await stage.namespace(name)
    await stage.kubectl.apply([
      inNamespace(webServer('prober', stage.images.pods)),
      inNamespace(webServer(shut, stage.images.pods)),
    ])
    await stage.kubectl.apply(inNamespace(denyAll))
    for (const deployment of ['prober', shut])
      await stage.kubectl('rollout', 'status', `deployment/${deployment}`, '--namespace', name, '--timeout', '60s')
    const isEnforced = !(await answers(stage, await addressOf(stage, shut), 8080))
    stage.note(isEnforced ? 'this cluster enforces them' : 'this cluster does not enforce them: only what they say was looked at')
    for (const [port, number] of ports) {
      const expected = !isEnforced || open.has(number)
      assert.equal(await answers(stage, String(pod.status?.podIP), number), expected, `whether port ${port} can be reached`)
    }
    await stage.kubectl('delete', 'namespace', name, '--wait=false')
  },
}

interface Policy {
  readonly spec: {
    readonly podSelector: { readonly matchLabels?: Readonly<Record<string, string>> }
    readonly policyTypes: readonly string[]
    readonly ingress?: readonly {
      readonly from?: readonly { readonly namespaceSelector?: object; readonly podSelector?: object }[]
      readonly ports?: readonly { readonly port: number }[]
    }[]
  }
}

/** Those that select the pod, as the API server has them. */
async function policiesOf({ kubectl }: Stage, { metadata }: Live): Promise<readonly Policy[]> {
  const { items } = await kubectl.json<{ items: readonly Policy[] }>('get', 'networkpolicies', '--namespace', fluxNamespace)
  const selected = items.filter(({ spec }) =>
    Object.entries(spec.podSelector.matchLabels ?? {}).every(([key, value]) => metadata.labels?.[key] === value),
  )
  // A pod is shut off by the first policy for what comes in, and opened by each.
  assert.ok(selected.some(({ spec }) => spec.policyTypes.includes('Ingress')))
  return selected
}

/** What any namespace may call. */
function portsOpenTo(policies: readonly Policy[]): ReadonlySet<number> {
  const rules = policies.flatMap(({ spec }) => spec.ingress ?? [])
  const forAll = rules.filter(({ from }) => from?.some(({ namespaceSelector }) => namespaceSelector !== undefined) ?? true)
  return new Set(forAll.flatMap(({ ports }) => ports?.map(({ port }) => port) ?? [Number.NaN]))
}

function portsOf({ spec }: Live): ReadonlyMap<string, number> {
  const [container] = (spec?.containers ?? []) as readonly { ports: readonly { name: string; containerPort: number }[] }[]
  return new Map(container?.ports.map((port) => [port.name, port.containerPort]))
}

const denyAll = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: shut },
  spec: { podSelector: { matchLabels: { app: shut } }, policyTypes: ['Ingress'] },
}

function inNamespace(object: object): object {
  const { metadata, ...rest } = object as { metadata: object }
  return { ...rest, metadata: { ...metadata, namespace: name } }
}

async function addressOf(stage: Stage, app: string): Promise<string> {
  const ref = await stage.kubectl('get', 'pods', '--namespace', name, '--selector', `app=${app}`, '--output', 'name')
  const pod = await stage.until(ref.trim(), hasCondition('Ready', 'True'), { namespace: name })
  return String(pod.status?.podIP)
}

/** Whether a pod of another namespace gets a connection. */
async function answers({ kubectl }: Stage, host: string, port: number): Promise<boolean> {
  const script = `const socket = net.connect({ host: "${host}", port: ${port}, timeout: 3000 })
    const say = (text) => { console.log(text); process.exit() }
    socket.on("connect", () => say("yes")).on("error", () => say("no")).on("timeout", () => say("no"))`
  return (await kubectl('exec', '--namespace', name, 'deploy/prober', '--', 'node', '--eval', script)) === 'yes\n'
}
