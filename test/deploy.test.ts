/** The manifests in deploy/ on a real API server of their own: other tests may not find themselves in flux-system. */
import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { kinds } from '../src/api/kinds.ts'
import type { KubeObject } from '../src/api/object.ts'
import { type Flags, parseFlags } from '../src/runtime/flags.ts'
import { leaderLabel } from '../src/runtime/leader.ts'
import { parseAddress } from '../src/runtime/servers.ts'
import { type ControlPlane, startControlPlane } from './tools/control-plane.ts'
import {
  containerOf,
  type Deployment,
  folderOf,
  type Labels,
  objectsOf,
  ofKind,
  overlays,
  selects,
  yamlOf,
} from './tools/deploy.ts'
import { run, temporaryDirectory } from './tools/processes.ts'
import { findTool } from './tools/tools.ts'

const deploy = folderOf('.')

interface Service extends KubeObject {
  readonly spec: { readonly selector: Labels; readonly ports: readonly { readonly port: number; readonly targetPort: string }[] }
}

interface NetworkPolicy extends KubeObject {
  readonly spec: {
    readonly podSelector: { readonly matchLabels?: Labels }
    readonly ingress: readonly { readonly ports?: readonly { readonly port: number }[] }[]
  }
}

interface DisruptionBudget extends KubeObject {
  readonly spec: { readonly minAvailable: number; readonly selector: { readonly matchLabels: Labels } }
}

let controlPlane: ControlPlane

beforeAll(async () => {
  controlPlane = await startControlPlane()
})
afterAll(() => controlPlane?.[Symbol.asyncDispose]())

describe.each(overlays)('deploy/%s', (overlay) => {
  it('is built by Sluice as by kustomize', async () => {
    expect(await yamlOf(overlay)).toBe(await run(await findTool('kustomize'), ['build', folderOf(overlay)]))
  })

  it.each([
    ['by the client', []],
    ['by the server', ['--server-side', '--force-conflicts']],
  ])('is applied %s with no field unknown, and again without a change', async (_, how) => {
    const apply = () => controlPlane.kubectl('apply', '-k', folderOf(overlay), '--validate=strict', ...how)
    await apply()
    const before = await versionsOf(overlay)
    await apply()
    expect(await versionsOf(overlay)).toEqual(before)
  })

  it('gives the program flags that it takes, and the ports and probes that it then listens on', async () => {
    for (const deployment of ofKind<Deployment>(await objectsOf(overlay), 'Deployment')) {
      const container = containerOf(deployment)
      const flags = flagsThatItTakes(container.args)
      const ports = new Map(container.ports.map(({ name, containerPort }) => [name, containerPort]))
      expect(ports).toEqual(listening(flags))
      expect(container.livenessProbe.httpGet).toMatchObject({ port: 'healthz', path: '/healthz' })
      expect(container.readinessProbe.httpGet).toMatchObject({ port: 'healthz', path: '/readyz' })
      expect(container).toMatchObject({ name: 'manager', image: expect.stringMatching(/(^|\/)sluice:v\d/) })
      expect(container.env.map(({ name }) => name)).toEqual(['RUNTIME_NAMESPACE', 'POD_NAME'])
    }
  })

  it('runs every loop, each object in one process', async () => {
    const deployments = ofKind<Deployment>(await objectsOf(overlay), 'Deployment')
    const all = deployments.map((deployment) => flagsThatItTakes(containerOf(deployment).args))
    const works = all.flatMap((flags) => flags.controllers.map((loop) => `${loop} ${flags.watchLabelSelector}`))
    expect(new Set(works).size).toBe(works.length)
    expect(new Set(all.flatMap((flags) => flags.controllers))).toEqual(new Set(['source', 'kustomize', 'helm', 'notification']))
  })

  it('leads every Service, policy and budget to pods that are there, and to ports that they have', async () => {
    const objects = await objectsOf(overlay)
    const pods = ofKind<Deployment>(objects, 'Deployment').map(podOf)
    for (const { metadata, spec } of ofKind<Service>(objects, 'Service')) {
      const { [leaderLabel]: leader, ...selector } = spec.selector
      const selected = pods.filter(({ labels }) => selects(selector, labels))
      expect([metadata.name, selected.length]).toEqual([metadata.name, 1])
      expect(selected[0]?.ports).toHaveProperty(spec.ports[0]?.targetPort ?? '')
      // Artifacts are whole only on the leader.
      expect([metadata.name, leader]).toEqual([metadata.name, metadata.name.startsWith('source-controller') ? 'true' : undefined])
    }
    for (const { metadata, spec } of ofKind<NetworkPolicy>(objects, 'NetworkPolicy')) {
      const selected = pods.filter(({ labels }) => selects(spec.podSelector.matchLabels ?? {}, labels))
      expect([metadata.name, selected.length > 0]).toEqual([metadata.name, true])
      const ports = spec.ingress.flatMap((rule) => rule.ports ?? []).map(({ port }) => port)
      for (const { ports: open } of selected) expect(Object.values(open)).toEqual(expect.arrayContaining(ports))
    }
    for (const { spec } of ofKind<DisruptionBudget>(objects, 'PodDisruptionBudget')) {
      const [pod] = pods.filter(({ labels }) => selects(spec.selector.matchLabels, labels))
      expect(pod?.replicas).toBeGreaterThan(spec.minAvailable)
    }
    // No Deployment selects the pods of another.
    for (const { metadata, spec } of ofKind<Deployment>(objects, 'Deployment'))
      expect(pods.filter(({ labels }) => selects(spec.selector.matchLabels, labels)).map(({ name }) => name)).toEqual([
        metadata.name,
      ])
  })

  it('advertises artifacts under the name of a Service that leads to them', async () => {
    const objects = await objectsOf(overlay)
    for (const deployment of ofKind<Deployment>(objects, 'Deployment')) {
      const flags = flagsThatItTakes(containerOf(deployment).args)
      if (!flags.controllers.includes('source')) continue
      const [, name] = /^(.+)\.\$\(RUNTIME_NAMESPACE\)\.svc\.cluster\.local\.$/.exec(flags.storageAdvAddr) ?? []
      const [service] = ofKind<Service>(objects, 'Service').filter(({ metadata }) => metadata.name === name)
      expect(service?.spec.ports).toMatchObject([{ port: 80, targetPort: 'http' }])
      expect(selects(service?.spec.selector ?? {}, { ...podOf(deployment).labels, [leaderLabel]: 'true' })).toBe(true)
    }
  })

  it('labels everything as the flux CLI looks for it', async () => {
    for (const { metadata } of await objectsOf(overlay)) expect(metadata.labels).toMatchObject(fluxLabels)
    for (const deployment of ofKind<Deployment>(await objectsOf(overlay), 'Deployment')) {
      const { labels } = podOf(deployment)
      expect(labels).toMatchObject({
        ...fluxLabels,
        app: expect.stringMatching(/^(source|kustomize|helm|notification)-controller$/),
      })
    }
  })

  it('SEC-12 runs pods that pass Pod Security "restricted"', async () => {
    await controlPlane.kubectl('label', 'namespace', 'flux-system', '--overwrite', 'pod-security.kubernetes.io/enforce=restricted')
    for (const { metadata, spec } of ofKind<Deployment>(await objectsOf(overlay), 'Deployment')) {
      const { template } = spec
      const name = `trial-${overlay}-${metadata.name}`
      const pod = { ...template, apiVersion: 'v1', kind: 'Pod', metadata: { ...template.metadata, name, namespace: 'flux-system' } }
      expect(await controlPlane.kubectl.apply(pod)).toBe(`pod/${name} serverside-applied\n`)
      expect(containerOf({ metadata, spec } as Deployment)).toMatchObject({ securityContext: { readOnlyRootFilesystem: true } })
    }
  })
})

const fluxLabels = {
  'app.kubernetes.io/part-of': 'flux',
  'app.kubernetes.io/instance': 'flux-system',
  'app.kubernetes.io/version': 'v2.9.0',
}

/** The resource version of each object of an overlay, as it is in the cluster. */
async function versionsOf(overlay: string): Promise<readonly string[]> {
  const { items } = await controlPlane.kubectl.json<{ items: KubeObject[] }>('get', '-k', folderOf(overlay))
  expect(items.length).toBe((await objectsOf(overlay)).length)
  return items.map(({ kind, metadata }) => `${kind}/${metadata.name} ${metadata.resourceVersion}`)
}

function flagsThatItTakes([verb, ...args]: readonly string[]): Flags {
  expect(verb).toBe('controller')
  const { flags, warnings } = { warnings: [], flags: undefined, ...parseFlags(args, { RUNTIME_NAMESPACE: 'flux-system' }) }
  if (!flags) throw new Error('the arguments ask for help')
  expect(warnings).toEqual([])
  expect(flags.enableLeaderElection).toBe(true)
  return flags
}

/** The names under which others know the ports of these servers. */
function listening(flags: Flags): ReadonlyMap<string, number> {
  const port = (address: string) => parseAddress(address).port
  return new Map([
    ...(flags.controllers.includes('source') ? [['http', port(flags.storageAddr)] as const] : []),
    ...(flags.controllers.includes('notification')
      ? [['http-events', port(flags.eventsListenAddr)] as const, ['http-webhook', port(flags.receiverAddr)] as const]
      : []),
    ['http-prom', port(flags.metricsAddr)],
    ['healthz', port(flags.healthAddr)],
  ])
}

interface Pod {
  readonly name: string
  readonly labels: Labels
  readonly replicas: number
  readonly ports: Readonly<Record<string, number>>
}

function podOf(deployment: Deployment): Pod {
  const { metadata, spec } = deployment
  const ports = Object.fromEntries(containerOf(deployment).ports.map(({ name, containerPort }) => [name, containerPort]))
  return { name: metadata.name, labels: spec.template.metadata.labels, replicas: spec.replicas, ports }
}

describe('deploy/', () => {
  it('is the default', async () => {
    expect(await yamlOf('.')).toBe(await yamlOf('default'))
  })

  it('is written by `make manifests` as one file for each installation, with the image that is asked for', async () => {
    const output = await temporaryDirectory('manifests')
    const write = (image: string) =>
      run(process.execPath, [join(deploy, 'manifests.ts'), output], { env: { ...process.env, IMAGE: image } })
    await write('')
    for (const overlay of overlays) expect(await readFile(join(output, `${overlay}.yaml`), 'utf8')).toBe(await yamlOf(overlay))
    await write('localhost:5000/team/sluice:v1')
    for (const overlay of overlays) {
      const expected = (await yamlOf(overlay)).replaceAll(/image: sluice:.+/g, 'image: localhost:5000/team/sluice:v1')
      expect(await readFile(join(output, `${overlay}.yaml`), 'utf8')).toBe(expected)
    }
  })

  it('has a tenant that is built as by kustomize, and applied on either side', async () => {
    expect(await yamlOf('tenant')).toBe(await run(await findTool('kustomize'), ['build', folderOf('tenant')]))
    for (const how of [[], ['--server-side', '--force-conflicts']])
      await controlPlane.kubectl('apply', '-k', folderOf('tenant'), '--validate=strict', ...how)
  })

  it('has a definition for each kind that the program works on', async () => {
    const crds = ofKind(await objectsOf('.'), 'CustomResourceDefinition').map(({ metadata }) => metadata.name)
    expect(crds.toSorted()).toEqual(kinds.map(({ plural, group }) => `${plural}.${group}`).toSorted())
  })

  it('has no folder that is not tried here', () => {
    const parts = ['base', 'components', 'controller', 'monitoring', 'pod', 'tenant']
    const folders = readdirSync(deploy, { withFileTypes: true }).filter((entry) => entry.isDirectory())
    expect(
      folders
        .map(({ name }) => name)
        .filter((name) => !parts.includes(name))
        .toSorted(),
    ).toEqual(overlays.toSorted())
  })

  it('SEC-11 lets others in only from the same namespace, and anyone in to read metrics and to call webhooks', async () => {
    const policies = ofKind<NetworkPolicy>(await objectsOf('.'), 'NetworkPolicy')
    const anywhere = [{ namespaceSelector: {} }]
    expect(Object.fromEntries(policies.map(({ metadata, spec }) => [metadata.name, spec]))).toEqual({
      'allow-egress': {
        podSelector: {},
        policyTypes: ['Egress', 'Ingress'],
        egress: [{}],
        ingress: [{ from: [{ podSelector: {} }] }],
      },
      'allow-scraping': {
        podSelector: {},
        policyTypes: ['Ingress'],
        ingress: [{ from: anywhere, ports: [{ port: 8080, protocol: 'TCP' }] }],
      },
      'allow-webhooks': {
        podSelector: { matchLabels: { 'app.kubernetes.io/name': 'sluice' } },
        policyTypes: ['Ingress'],
        ingress: [{ from: anywhere, ports: [{ port: 9292, protocol: 'TCP' }] }],
      },
    })
  })

  it('SEC-10 offers roles to view and to edit Flux objects, added to those of Kubernetes', async () => {
    const { kubectl } = controlPlane
    const may = (...what: string[]) =>
      kubectl('auth', 'can-i', ...what).then(
        (text) => text.trim() === 'yes',
        () => false,
      )
    await kubectl('create', 'clusterrolebinding', 'viewer', '--clusterrole=flux-view-flux-system', '--user=viewer')
    await kubectl('create', 'clusterrolebinding', 'editor', '--clusterrole=flux-edit-flux-system', '--user=editor')
    const kind = 'kustomizations.kustomize.toolkit.fluxcd.io'
    expect([await may('list', kind, '-A', '--as=viewer'), await may('patch', kind, '-A', '--as=viewer')]).toEqual([true, false])
    expect([await may('patch', kind, '-A', '--as=editor'), await may('delete', kind, '-A', '--as=editor')]).toEqual([true, true])
    // What a program of theirs needs that makes artifacts.
    const status = ['patch', 'externalartifacts.source.toolkit.fluxcd.io', '--subresource=status', '-A']
    expect([await may(...status, '--as=viewer'), await may(...status, '--as=editor')]).toEqual([false, true])
    const to = (role: string) => ({ [`rbac.authorization.k8s.io/aggregate-to-${role}`]: 'true' })
    expect(await kubectl.json('get', 'clusterrole', 'flux-view-flux-system')).toMatchObject({
      metadata: { labels: { ...to('view'), ...to('edit'), ...to('admin') } },
    })
    expect(await kubectl.json('get', 'clusterrole', 'flux-edit-flux-system')).toMatchObject({
      metadata: { labels: { ...to('edit'), ...to('admin') } },
    })
  })
})
