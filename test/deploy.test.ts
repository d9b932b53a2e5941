/** The manifests in deploy/ on a real API server of their own: other tests may not find themselves in flux-system. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { KubeObject } from '../src/api/object.ts'
import { messageOf } from '../src/lib/errors.ts'
import { type ControlPlane, startControlPlane } from './tools/control-plane.ts'

const deploy = join(import.meta.dirname, '../deploy')
const account = 'system:serviceaccount:flux-system:sluice'

interface Deployment extends KubeObject {
  readonly spec: {
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> }
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> }
      readonly spec: { readonly containers: readonly Container[] }
    }
  }
}

interface Container {
  readonly name: string
  readonly image: string
  readonly args: readonly string[]
  readonly env: readonly { readonly name: string }[]
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
}

let controlPlane: ControlPlane
let applied: string
let deployment: Deployment

beforeAll(async () => {
  controlPlane = await startControlPlane()
  applied = await controlPlane.kubectl('apply', '-k', deploy)
  deployment = await controlPlane.kubectl.json<Deployment>('-n', 'flux-system', 'get', 'deployment', 'sluice')
})
afterAll(() => controlPlane?.[Symbol.asyncDispose]())

/** Whether the subject may do it, by the API server's own answer. */
async function may(subject: string, ...what: string[]): Promise<boolean> {
  const answer = await controlPlane.kubectl('auth', 'can-i', `--as=${subject}`, ...what).catch(messageOf)
  return answer.trim() === 'yes'
}

describe('kubectl apply -k deploy/', () => {
  it('creates everything, and changes nothing the second time', async () => {
    expect(applied.trim().split('\n').toSorted()).toEqual([
      'clusterrole.rbac.authorization.k8s.io/crd-controller-flux-system created',
      'clusterrole.rbac.authorization.k8s.io/flux-edit-flux-system created',
      'clusterrole.rbac.authorization.k8s.io/flux-view-flux-system created',
      'clusterrolebinding.rbac.authorization.k8s.io/cluster-reconciler-flux-system created',
      'clusterrolebinding.rbac.authorization.k8s.io/crd-controller-flux-system created',
      'customresourcedefinition.apiextensions.k8s.io/alerts.notification.toolkit.fluxcd.io created',
      'customresourcedefinition.apiextensions.k8s.io/gitrepositories.source.toolkit.fluxcd.io created',
      'customresourcedefinition.apiextensions.k8s.io/helmcharts.source.toolkit.fluxcd.io created',
      'customresourcedefinition.apiextensions.k8s.io/helmreleases.helm.toolkit.fluxcd.io created',
      'customresourcedefinition.apiextensions.k8s.io/kustomizations.kustomize.toolkit.fluxcd.io created',
      'customresourcedefinition.apiextensions.k8s.io/ocirepositories.source.toolkit.fluxcd.io created',
      'customresourcedefinition.apiextensions.k8s.io/providers.notification.toolkit.fluxcd.io created',
      'customresourcedefinition.apiextensions.k8s.io/receivers.notification.toolkit.fluxcd.io created',
      'deployment.apps/sluice created',
      'namespace/flux-system created',
      'networkpolicy.networking.k8s.io/allow-egress created',
      'networkpolicy.networking.k8s.io/allow-scraping created',
      'networkpolicy.networking.k8s.io/allow-webhooks created',
      'resourcequota/critical-pods-flux-system created',
      'role.rbac.authorization.k8s.io/sluice created',
      'rolebinding.rbac.authorization.k8s.io/sluice created',
      'service/notification-controller created',
      'service/source-controller created',
      'service/webhook-receiver created',
      'serviceaccount/sluice created',
    ])
    const again = await controlPlane.kubectl('apply', '-k', deploy, '--dry-run=server')
    expect(again.split('\n').filter((line) => line !== '' && !line.includes(' unchanged'))).toEqual([])
  })

  it('labels what the flux CLI looks for', async () => {
    const labels = {
      'app.kubernetes.io/part-of': 'flux',
      'app.kubernetes.io/instance': 'flux-system',
      'app.kubernetes.io/version': 'v2.9.0',
    }
    for (const kind of ['deployment/sluice', 'service/source-controller', 'serviceaccount/sluice', 'networkpolicy/allow-egress']) {
      expect(await controlPlane.kubectl.json('-n', 'flux-system', 'get', kind)).toMatchObject({ metadata: { labels } })
    }
    for (const kind of ['crd/gitrepositories.source.toolkit.fluxcd.io', 'clusterrole/crd-controller-flux-system']) {
      expect(await controlPlane.kubectl.json('get', kind)).toMatchObject({ metadata: { labels } })
    }
    expect(deployment.spec.template.metadata.labels).toMatchObject(labels)
  })

  it('runs one container that says its version, with the ports and the environment that others rely on', () => {
    const [container, ...others] = deployment.spec.template.spec.containers
    expect(others).toEqual([])
    expect(container).toMatchObject({
      name: 'manager',
      image: expect.stringMatching(/(^|\/)sluice:v\d/),
      args: expect.arrayContaining([
        'controller',
        '--enable-leader-election',
        '--storage-adv-addr=source-controller.$(RUNTIME_NAMESPACE).svc.cluster.local.',
      ]),
    })
    expect(container?.env.map(({ name }) => name)).toEqual(['RUNTIME_NAMESPACE', 'POD_NAME'])
    expect(container?.ports.map(({ name, containerPort }) => [name, containerPort])).toEqual([
      ['http', 9090],
      ['http-events', 9091],
      ['http-webhook', 9292],
      ['http-prom', 8080],
      ['healthz', 9440],
    ])
  })

  it('sends who asks for artifacts to the leader, and the selector of the Deployment does not ask for that label', async () => {
    expect(await controlPlane.kubectl.json('-n', 'flux-system', 'get', 'service', 'source-controller')).toMatchObject({
      spec: {
        selector: { ...deployment.spec.selector.matchLabels, 'sluice.dev/leader': 'true' },
        ports: [{ name: 'http', port: 80, targetPort: 'http' }],
      },
    })
    expect(deployment.spec.template.metadata.labels).not.toHaveProperty(['sluice.dev/leader'])
  })

  it('takes events and webhooks in every replica, at the names and ports of Flux', async () => {
    for (const [name, targetPort] of [
      ['notification-controller', 'http-events'],
      ['webhook-receiver', 'http-webhook'],
    ]) {
      expect(await controlPlane.kubectl.json('-n', 'flux-system', 'get', 'service', `${name}`)).toMatchObject({
        spec: { selector: deployment.spec.selector.matchLabels, ports: [{ name: 'http', port: 80, targetPort }] },
      })
    }
  })

  it('SEC-12 passes Pod Security "restricted"', async () => {
    await controlPlane.kubectl('label', 'namespace', 'flux-system', 'pod-security.kubernetes.io/enforce=restricted')
    const pod = {
      ...deployment.spec.template,
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...deployment.spec.template.metadata, name: 'trial', namespace: 'flux-system' },
    }
    expect(await controlPlane.kubectl.apply(pod)).toBe('pod/trial serverside-applied\n')
    const manager = (
      await controlPlane.kubectl.json<{ spec: { containers: object[] } }>('-n', 'flux-system', 'get', 'pod', 'trial')
    ).spec.containers[0]
    expect(manager).toMatchObject({ securityContext: { readOnlyRootFilesystem: true } })
  })

  it('SEC-11 lets others in only from the same namespace, and anyone in to read metrics and to call webhooks', async () => {
    const { items } = await controlPlane.kubectl.json<{ items: { metadata: { name: string }; spec: object }[] }>(
      '-n',
      'flux-system',
      'get',
      'networkpolicies',
    )
    expect(Object.fromEntries(items.map(({ metadata, spec }) => [metadata.name, spec]))).toEqual({
      'allow-egress': {
        podSelector: {},
        policyTypes: ['Egress', 'Ingress'],
        egress: [{}],
        ingress: [{ from: [{ podSelector: {} }] }],
      },
      'allow-scraping': {
        podSelector: {},
        policyTypes: ['Ingress'],
        ingress: [{ from: [{ namespaceSelector: {} }], ports: [{ port: 8080, protocol: 'TCP' }] }],
      },
      'allow-webhooks': {
        podSelector: { matchLabels: { 'app.kubernetes.io/name': 'sluice' } },
        policyTypes: ['Ingress'],
        ingress: [{ from: [{ namespaceSelector: {} }], ports: [{ port: 9292, protocol: 'TCP' }] }],
      },
    })
  })
})

describe('the rights that deploy/ gives', () => {
  it('let Kustomizations apply anything by default, and impersonate tenants', async () => {
    expect(await may(account, 'create', 'clusterroles')).toBe(true)
    expect(await may(account, 'impersonate', 'serviceaccounts')).toBe(true)
  })

  it('SEC-16 are no more than the controllers need, once cluster-admin is taken away', async () => {
    await controlPlane.kubectl('delete', 'clusterrolebinding', 'cluster-reconciler-flux-system')
    const allowed = [
      ['list', 'gitrepositories.source.toolkit.fluxcd.io', '-A'],
      ['patch', 'gitrepositories.source.toolkit.fluxcd.io', '--subresource=status', '-A'],
      ['watch', 'kustomizations.kustomize.toolkit.fluxcd.io', '-A'],
      ['patch', 'kustomizations.kustomize.toolkit.fluxcd.io', '-A'],
      ['patch', 'providers.notification.toolkit.fluxcd.io', '-A'],
      ['patch', 'receivers.notification.toolkit.fluxcd.io', '--subresource=status', '-A'],
      ['get', 'secrets', '-A'],
      ['watch', 'configmaps', '-A'],
      ['list', 'namespaces'],
      ['create', 'events', '-A'],
      ['patch', 'events', '-A'],
      ['create', 'serviceaccounts', '--subresource=token', '-A'],
      ['create', 'leases.coordination.k8s.io', '-n', 'flux-system'],
      ['update', 'leases.coordination.k8s.io', '-n', 'flux-system'],
      ['patch', 'pods', '-n', 'flux-system'],
      ['get', 'customresourcedefinitions'],
    ]
    const refused = [
      ['create', 'deployments', '-A'],
      ['create', 'secrets', '-n', 'flux-system'],
      ['delete', 'pods', '-n', 'flux-system'],
      ['patch', 'pods', '-n', 'default'],
      ['create', 'clusterrolebindings'],
      ['impersonate', 'serviceaccounts', '-A'],
    ]
    const answers = await Promise.all(
      [...allowed, ...refused].map(async (what) => [what.join(' '), await may(account, ...what)] as const),
    )
    expect(Object.fromEntries(answers)).toEqual(
      Object.fromEntries([...allowed.map((what) => [what.join(' '), true]), ...refused.map((what) => [what.join(' '), false])]),
    )
  })

  it('SEC-10 offer roles to view and to edit Flux objects, added to those of Kubernetes', async () => {
    await controlPlane.kubectl('create', 'clusterrolebinding', 'viewer', '--clusterrole=flux-view-flux-system', '--user=viewer')
    await controlPlane.kubectl('create', 'clusterrolebinding', 'editor', '--clusterrole=flux-edit-flux-system', '--user=editor')
    const kind = 'kustomizations.kustomize.toolkit.fluxcd.io'
    expect([await may('viewer', 'list', kind, '-A'), await may('viewer', 'patch', kind, '-A')]).toEqual([true, false])
    expect([await may('editor', 'patch', kind, '-A'), await may('editor', 'delete', kind, '-A')]).toEqual([true, true])
    const to = (role: string) => ({ [`rbac.authorization.k8s.io/aggregate-to-${role}`]: 'true' })
    expect(await controlPlane.kubectl.json('get', 'clusterrole', 'flux-view-flux-system')).toMatchObject({
      metadata: { labels: { ...to('view'), ...to('edit'), ...to('admin') } },
    })
    expect(await controlPlane.kubectl.json('get', 'clusterrole', 'flux-edit-flux-system')).toMatchObject({
      metadata: { labels: { ...to('edit'), ...to('admin') } },
    })
  })
})
