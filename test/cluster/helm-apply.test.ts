/** How actions write objects, beside the real helm doing the same. */
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import type { KubeObject, ManagedFieldsEntry } from '../../src/api/object.ts'
import { actions } from '../../src/helm/actions.ts'
import { createAuthority } from '../tools/certificates.ts'
import { configMap, type Files, failureOf, Stage, shop } from './helm-stage.ts'

let stage: Stage

beforeAll(async () => {
  stage = await Stage.open(inject('kubeconfig'), 'helm-apply')
})
afterEach(() => stage.clear())
afterAll(() => stage?.[Symbol.asyncDispose]())

const deployment = (spec: string) => `apiVersion: apps/v1
kind: Deployment
metadata: {name: '{{ .Release.Name }}'}
spec:
  selector: {matchLabels: {app: web}}
${spec}`

/** Kinds with lists and unions of all sorts; the last one gets a CA from somebody else. */
const others = (cronJob: string, rule: string, scaler: string, hooks: string) => `apiVersion: batch/v1
kind: CronJob
metadata: {name: '{{ .Release.Name }}'}
spec:
  schedule: "* * * * *"${cronJob}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: '{{ .Release.Name }}'}
spec: {rules: [${rule}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: '{{ .Release.Name }}'}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: x}, ${scaler}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: '{{ .Release.Name }}'}
webhooks:
{{- range (list ${hooks}) }}
  - name: {{ . }}.example.com
    clientConfig: {service: {name: x, namespace: z}}
    rules: [{apiGroups: [nowhere.example.com], apiVersions: [v1], operations: [CREATE], resources: [nothings]}]
    sideEffects: None
    admissionReviewVersions: [v1]
    matchConditions: [{name: own, expression: 'true'}, {name: {{ . }}, expression: 'true'}]
{{- end }}
`

/** A chart before and after a change to almost everything that is merged in a way of its own. */
const before: Files = {
  ...shop,
  'templates/web.yaml': deployment(`  replicas: 2
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}
  template:
    metadata: {labels: {app: web}, annotations: {kept: x, gone: x}}
    spec:
      imagePullSecrets: [{name: old}, {name: kept}]
      volumes: [{name: data, configMap: {name: cm}}, {name: gone, emptyDir: {}}]
      containers:
        - {name: web, image: one, args: [a, b], env: [{name: KEPT, value: x}, {name: GONE, value: x}], ports: [{containerPort: 80}]}
        - {name: side, image: one}
`),
  'templates/others.yaml': others(
    `
  concurrencyPolicy: Forbid
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, tolerations: [{key: a}, {key: b}], containers: [{name: c, image: one, env: [{name: A, value: x}], volumeMounts: [{name: v, mountPath: /a}, {name: v, mountPath: /b, readOnly: true}]}], volumes: [{name: v, emptyDir: {medium: Memory}}], hostAliases: [{ip: 10.0.0.1, hostnames: [a, b]}]}}}}`,
    '{host: a, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}, {path: /gone, pathType: Exact, backend: {service: {name: a, port: {number: 81}}}}]}}',
    'maxReplicas: 5, minReplicas: 2, metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]',
    '"a" "b"',
  ),
  'templates/service.yaml':
    "apiVersion: v1\nkind: Service\nmetadata: {name: '{{ .Release.Name }}', finalizers: [a.example.com/x, b.example.com/x]}\nspec: {selector: {app: web}, ports: [{name: http, port: 80}, {name: gone, port: 81}]}\n",
}
const after: Files = {
  ...shop,
  'templates/web.yaml': deployment(`  strategy: {type: Recreate}
  template:
    metadata: {labels: {app: web}, annotations: {kept: w}}
    spec:
      imagePullSecrets: [{name: kept}, {name: new}]
      volumes: [{name: data, emptyDir: {}}]
      initContainers: [{name: init, image: two}]
      containers:
        - {name: new, image: two}
        - {name: web, image: two, args: [b], env: [{name: NEW, value: x}, {name: KEPT, value: w}], ports: [{containerPort: 80}]}
`),
  'templates/others.yaml': others(
    `
  suspend: true
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, tolerations: [{key: b}], containers: [{name: c, image: one, env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}], volumeMounts: [{name: v, mountPath: /b}]}], volumes: [{name: v, emptyDir: {sizeLimit: 1Gi}}], hostAliases: [{ip: 10.0.0.1, hostnames: [b]}, {ip: 10.0.0.2, hostnames: [c]}]}}}}`,
    '{host: a, http: {paths: [{path: /new, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}]}}',
    'maxReplicas: 4, metrics: [{type: Resource, resource: {name: memory, target: {type: Utilization, averageUtilization: 60}}}]',
    '"b" "c"',
  ),
  'templates/service.yaml':
    "apiVersion: v1\nkind: Service\nmetadata: {name: '{{ .Release.Name }}', finalizers: [b.example.com/x]}\nspec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}\n",
}

/** What others change about the objects of a release. */
async function meddle(name: string, cert: string): Promise<void> {
  const spec = {
    replicas: 5,
    template: {
      metadata: { annotations: { foreign: 'z' } },
      spec: {
        containers: [
          { name: 'foreign', image: 'z' },
          { name: 'web', image: 'z', env: [{ name: 'FOREIGN', value: 'z' }] },
        ],
      },
    },
  }
  await stage.cluster.kubectl('patch', 'deployment', name, '--type=strategic', '-p', JSON.stringify({ spec }))
  const webhooks = [{ name: 'b.example.com', clientConfig: { caBundle: Buffer.from(cert).toString('base64') } }]
  await stage.cluster.kubectl(
    'patch',
    'validatingwebhookconfiguration',
    name,
    '--type=strategic',
    '-p',
    JSON.stringify({ webhooks }),
  )
  await stage.cluster.kubectl('patch', 'hpa', name, '--type=merge', '-p', '{"spec": {"minReplicas": 3}}')
  await stage.cluster.kubectl('patch', 'configmap', name, '--type=merge', '-p', '{"data": {"foreign": "z", "v": "z"}}')
}

/** The objects of a release as they are, without what differs between two releases of one chart. */
async function liveOf(name: string): Promise<unknown> {
  const objects = await Promise.all(
    ['deployment', 'service', 'configmap', 'cronjob', 'ingress', 'hpa', 'validatingwebhookconfiguration'].map(
      (kind) => stage.cluster.get(`${kind}/${name}`) as Promise<Live>,
    ),
  )
  const texts = objects.map(({ metadata: { labels, finalizers, annotations }, spec, data, webhooks }) =>
    JSON.stringify({ labels, finalizers, annotations, spec, data, webhooks })
      .replaceAll(name, 'NAME')
      .replaceAll(/"(clusterIP|clusterIPs)":("[^"]*"|\[[^\]]*\]),/g, ''),
  )
  return texts.map((text) => JSON.parse(withoutOrigin(text)) as unknown)
}

type Live = KubeObject & {
  readonly metadata: { readonly finalizers?: readonly string[] }
  readonly data?: unknown
  readonly webhooks?: unknown
}

/** Only we mark what a HelmRelease wrote. */
function withoutOrigin(text: string): string {
  return text.replaceAll(/,?"helm\.toolkit\.fluxcd\.io\/(name|namespace)":"[^"]*"/g, '')
}

async function release(name: string): Promise<void> {
  await stage.cluster.kubectl('patch', 'service', name, '--type=merge', '-p', '{"metadata": {"finalizers": null}}')
}

describe('without server-side apply', () => {
  const plain = { install: { serverSideApply: false, disableWait: true }, upgrade: { disableWait: true } }

  it('HLM-ACT-01 HLM-ACT-02 HLM-ACT-03 installs and upgrades to what helm makes of it, after others have meddled', async () => {
    const [first, second] = [await stage.chart(before), await stage.chart(after)]
    await stage.helm('install', 'theirs', first.folder, '--server-side=false')
    const { context, stored } = stage.scene('ours', plain)
    await actions.install(first, context)
    expect(await liveOf('ours')).toEqual(await liveOf('theirs'))
    const { ca } = await createAuthority()
    for (const name of ['theirs', 'ours']) await meddle(name, ca)
    await stage.helm('upgrade', 'theirs', second.folder)
    // What is not said follows the revision before.
    await actions.upgrade(second, context)
    expect(await liveOf('ours')).toEqual(await liveOf('theirs'))
    expect(stored.at(-1)).toMatchObject({ version: 2, applyMethod: 'csa', info: { status: 'deployed' } })
    await stage.helm('rollback', 'theirs', '1')
    await actions.rollback(1, stage.scene('ours', { rollback: { disableWait: true } }).context)
    expect(await liveOf('ours')).toEqual(await liveOf('theirs'))
    for (const name of ['theirs', 'ours']) await release(name)
  })

  const writers = async (name: string) => {
    const { metadata } = await stage.client.get({ apiVersion: 'v1', kind: 'ConfigMap', namespace: stage.cluster.namespace, name })
    return (metadata.managedFields ?? []).map(({ manager, operation }: ManagedFieldsEntry) => `${manager} ${operation}`)
  }

  it('HLM-ACT-02 HLM-ACT-03 changes to server-side apply and back where the action says so', async () => {
    const chart = await stage.chart(shop)
    const { context } = stage.scene('web', { install: { serverSideApply: false } })
    await actions.install(chart, context)
    expect(await writers('web')).toEqual(['helm-controller Update'])
    await actions.upgrade(chart, stage.scene('web', { upgrade: { serverSideApply: 'enabled' } }).context)
    expect(await writers('web')).toEqual(['helm-controller Apply'])
    const third = await actions.upgrade(chart, stage.scene('web', { upgrade: { serverSideApply: 'disabled' } }).context)
    expect(third.applyMethod).toBe('csa')
    expect(await stage.shownBy('web')).toBe('1e+06 of 3')
    expect(await stage.helmJson('get', 'metadata', 'web')).toMatchObject({ revision: 3, applyMethod: 'csa' })
  })

  it('HLM-ACT-09 rolls back as the target was written, or as told', async () => {
    const chart = await stage.chart(shop)
    const { context } = stage.scene('web', { install: { serverSideApply: false }, upgrade: { serverSideApply: 'enabled' } })
    await actions.install(chart, context)
    await actions.upgrade(chart, context)
    expect(await actions.rollback(1, context)).toMatchObject({ version: 3, applyMethod: 'csa' })
    expect(await stage.shownBy('web')).toBe('1e+06 of 1')
    const told = stage.scene('web', { rollback: { serverSideApply: 'enabled' } }).context
    expect(await actions.rollback(1, told)).toMatchObject({ version: 4, applyMethod: 'ssa' })
  })

  it('HLM-ACT-02 HLM-ACT-09 replaces objects where force is set, with all that others have added', async () => {
    const chart = await stage.chart(shop)
    const { context } = stage.scene('web', {
      install: { serverSideApply: false },
      upgrade: { force: true },
      rollback: { force: true },
    })
    await actions.install(chart, context)
    const add = () => stage.cluster.kubectl('patch', 'configmap', 'web', '--type=merge', '-p', '{"data": {"theirs": "z"}}')
    const data = async () => (await stage.cluster.get('configmap/web')).data
    await add()
    await actions.upgrade(chart, context)
    expect(await data()).toEqual({ v: '1e+06 of 2' })
    await add()
    await actions.rollback(1, context)
    expect(await data()).toEqual({ v: '1e+06 of 1' })
  })

  it('takes over what is there already, and leaves what others have added', async () => {
    await stage.cluster.apply({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'web' },
      data: { v: 'mine', theirs: 'z' },
    } as never)
    await actions.install(await stage.chart(shop), stage.scene('web', plain).context)
    expect((await stage.cluster.get('configmap/web')).data).toEqual({ v: '1e+06 of 1', theirs: 'z' })
  })

  it('names the object that the API server refuses', async () => {
    const { context } = stage.scene('web', plain)
    await actions.install(await stage.chart(shop), context)
    const bad = 'apiVersion: v1\nkind: Service\nmetadata:\n  name: bad\nspec: {ports: []}\n'
    const error = await failureOf(actions.upgrade(await stage.chart({ ...shop, 'templates/bad.yaml': bad }), context))
    expect(error.message).toContain(`Service/${stage.cluster.namespace}/bad: `)
    expect(error.message).toContain('spec.ports: Required value')
  })

  it('HLM-ACT-05 replaces CRDs and changes custom resources by what differs in the chart', async () => {
    const group = `${stage.cluster.namespace}.example.com`
    const crd = (extra: string) =>
      `apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: things.${group}\nspec:\n  group: ${group}\n  scope: Namespaced\n  names: {kind: Thing, plural: things, singular: thing}\n  versions:\n    - name: v1\n      served: true\n      storage: true\n${extra}      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}\n`
    const thing = (spec: string) => `apiVersion: ${group}/v1\nkind: Thing\nmetadata: {name: t}\nspec: ${spec}\n`
    const chart = (spec: string, extra = '') =>
      stage.chart({ ...shop, 'crds/thing.yaml': crd(extra), 'templates/thing.yaml': thing(spec) })
    const { context } = stage.scene('web', { ...plain, upgrade: { crds: 'CreateReplace' } })
    await actions.install(await chart('{kept: {a: 1}, gone: 1, list: [1, 2]}'), context)
    await stage.cluster.kubectl('patch', `things.${group}/t`, '--type=merge', '-p', '{"spec": {"kept": {"a": 9, "theirs": 9}}}')
    await actions.upgrade(await chart('{kept: {a: 1}, list: [2]}', '      deprecated: true\n'), context)
    expect((await stage.cluster.get(`things.${group}/t`)).spec).toEqual({ kept: { a: 9, theirs: 9 }, list: [2] })
    expect(JSON.stringify(await stage.cluster.get(`crd/things.${group}`))).toContain('"deprecated":true')
    await actions.uninstall(context)
    await stage.cluster.kubectl('delete', `crd/things.${group}`)
  })
})

describe('by server-side apply', () => {
  it('leaves no field behind that was written in another way', async () => {
    const { context } = stage.scene('web')
    const two = configMap('{{ .Release.Name }}', 'x').replace('  v: x', '  v: x\n  more: x')
    await actions.install(await stage.chart({ ...shop, 'templates/cm.yaml': two }), context)
    const ref = { apiVersion: 'v1', kind: 'ConfigMap', namespace: stage.cluster.namespace, name: 'web' }
    // As drift is corrected.
    await stage.client.jsonPatch(ref, [{ op: 'replace', path: '/data/more', value: 'y' }], { fieldManager: 'helm-controller' })
    await actions.upgrade(await stage.chart(shop), context)
    expect((await stage.cluster.get('configmap/web')).data).toEqual({ v: '1e+06 of 2' })
  })
})

it('leaves the finalizers that a controller of its name has put on an object', async () => {
  const { context } = stage.scene('web')
  const chart = await stage.chart(shop)
  await actions.install(chart, context)
  const ref = { apiVersion: 'v1', kind: 'ConfigMap', namespace: stage.cluster.namespace, name: 'web' }
  const finalizers = ['finalizers.fluxcd.io/x']
  await stage.client.mergePatch(ref, { metadata: { finalizers } }, { fieldManager: 'helm-controller' })
  await actions.upgrade(chart, context)
  expect((await stage.cluster.get('configmap/web')).metadata.finalizers).toEqual(finalizers)
  await stage.cluster.kubectl('patch', 'configmap', 'web', '--type=merge', '-p', '{"metadata": {"finalizers": null}}')
})

describe('fields that the cluster does not know', () => {
  const unknown = { ...shop, 'templates/cm.yaml': configMap('{{ .Release.Name }}', 'x\nnope: y') }

  it.each([false, true])(
    'HLM-ACT-01 HLM-ACT-02 are refused or left out as helm does, with disableOpenAPIValidation %s',
    async (off) => {
      const chart = await stage.chart(unknown)
      const flag = `--disable-openapi-validation=${off}`
      const said = await stage.helm('install', 'theirs', chart.folder, flag).catch((error: Error) => error.message)
      expect(said).toContain('nope: field not declared in schema')
      const { context } = stage.scene('ours', { install: { disableOpenAPIValidation: off } })
      expect((await failureOf(actions.install(chart, context))).message).toContain('nope: field not declared in schema')
      await stage.clear()

      await stage.helm('install', 'theirs', chart.folder, flag, '--server-side=false')
      const plain = stage.scene('ours', { install: { disableOpenAPIValidation: off, serverSideApply: false } }).context
      await actions.install(chart, plain)
      for (const name of ['theirs', 'ours']) expect(await stage.cluster.get(`configmap/${name}`)).not.toHaveProperty('nope')
    },
  )
})

describe('objects that are there already', () => {
  const owner = (name: string) => ({
    labels: { 'app.kubernetes.io/managed-by': 'Helm' },
    annotations: { 'meta.helm.sh/release-name': name, 'meta.helm.sh/release-namespace': stage.cluster.namespace },
  })
  const there = (name: string, metadata: object) =>
    stage.cluster.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...metadata }, data: { v: 'mine' } } as never)
  const own = { install: { disableTakeOwnership: true }, upgrade: { disableTakeOwnership: true } }

  it.each(['install', 'upgrade'] as const)(
    'F-HLM-16 are taken over unless that is turned off, then only ones of the release: %s',
    async (action) => {
      const more = { ...shop, 'templates/more.yaml': configMap('more', 'ours') }
      const { context } = stage.scene('web', own)
      if (action === 'upgrade') await actions.install(await stage.chart(shop), context)
      const chart = await stage.chart(more)
      for (const [metadata, why] of [
        [{}, 'missing key "app.kubernetes.io/managed-by": must be set to "Helm"'],
        [owner('other'), 'key "meta.helm.sh/release-name" must equal "web": current value is "other"'],
      ] as const) {
        await there('more', metadata)
        const error = await failureOf(actions[action](chart, context))
        expect(error.message).toContain(`ConfigMap "more" in namespace "${stage.cluster.namespace}" exists and cannot be imported`)
        expect(error.message).toContain(why)
        expect([error.release, await stage.shownBy('more')]).toEqual([undefined, 'mine'])
        await stage.cluster.kubectl('delete', 'configmap/more')
      }
      await there('more', owner('web'))
      await actions[action](chart, context)
      expect(await stage.shownBy('more')).toBe('ours')
      await there('more', owner('other'))
      await actions.upgrade(chart, stage.scene('web').context)
      expect((await stage.cluster.get('configmap/more')).metadata.annotations).toMatchObject(owner('web').annotations)
    },
  )
})

describe('CRDs', () => {
  const group = () => `crds.${stage.cluster.namespace}.example.com`
  const version = (name: string, storage: boolean) =>
    `    - {name: ${name}, served: true, storage: ${storage}, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}\n`
  const crd = (versions: string) =>
    `apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.${group()}}\nspec:\n  group: ${group()}\n  scope: Namespaced\n  names: {kind: Thing, plural: things, singular: thing}\n  versions:\n${versions}`
  const chart = (versions: string) => stage.chart({ ...shop, 'crds/thing.yaml': crd(versions) })

  it('F-HLM-15 show what the API server refuses to do with them, and release nothing then', async () => {
    const { context, stored } = stage.scene('web', { upgrade: { crds: 'CreateReplace' } })
    await actions.install(await chart(version('v1', true)), context)
    stored.length = 0
    const dropped = await chart(version('v2', true))
    const error = await failureOf(actions.upgrade(dropped, context))
    expect(error.message).toContain(
      `failed to apply CustomResourceDefinitions: failed to update CustomResourceDefinition things.${group()}: `,
    )
    expect(error.message).toContain('v1 was previously a storage version, and must remain in spec.versions')
    expect([error.release, stored]).toEqual([undefined, []])
    for (const crds of ['Skip', 'Create'] as const)
      await actions.upgrade(dropped, stage.scene('web', { upgrade: { crds } }).context)
    const { spec } = await stage.cluster.get(`crd/things.${group()}`)
    expect(JSON.stringify(spec)).not.toContain('"v2"')
    await stage.cluster.kubectl('delete', `crd/things.${group()}`)
  })

  it('F-HLM-15 are not there where the policy of the installation is Skip', async () => {
    await actions.install(await chart(version('v1', true)), stage.scene('web', { install: { crds: 'Skip' } }).context)
    await stage.cluster.untilGone(`crd/things.${group()}`)
  })
})

describe('a rollback that fails', () => {
  it('HLM-ACT-09 deletes what it has created where cleanupOnFail says so', async () => {
    const fixed = configMap('fixed', 'x').replace('\ndata:', '\nimmutable: true\ndata:')
    const first = await stage.chart({ ...shop, 'templates/fresh.yaml': configMap('fresh', 'x'), 'templates/fixed.yaml': fixed })
    const { context } = stage.scene('web', { rollback: { cleanupOnFail: true } })
    await actions.install(first, context)
    await actions.upgrade(await stage.chart(shop), context)
    await stage.cluster.apply({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'fixed' },
      immutable: true,
      data: { v: 'y' },
    })
    const error = await failureOf(actions.rollback(1, context))
    expect(error.message).toContain(`ConfigMap/${stage.cluster.namespace}/fixed: `)
    expect(error.release?.info).toMatchObject({ status: 'failed' })
    expect([await stage.shownBy('fresh'), await stage.shownBy('fixed')]).toEqual([undefined, 'y'])
    await stage.cluster.kubectl('delete', 'configmap/fixed')
  })
})
