/** A cluster that Flux's own controllers have worked on for a while: everything that leaves traces in it, and how to see them. */
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { watchObjects } from '../tools/watch.ts'
import { type Claim, type Cluster, hasCondition, isReady, type Live, type Manifest } from './harness.ts'

const group = 'kustomize.toolkit.fluxcd.io'

/** Commits what the Kustomizations read. `$NAMESPACE` is the cluster's namespace in it. */
export function fleetFiles(namespace: string): Record<string, string> {
  const texts = {
    'crds/crd.yaml': crd,
    'crds/role.yaml': clusterRole,
    'apps/kustomization.yaml': overlay,
    'apps/all.yaml': apps,
    'apps/settings.env': 'mode=calm\n',
    'apps/removed.yaml': configMap('removed', 'a: b'),
    'apps/changed.yaml': configMap('changed', 'kept: one, changed: one, dropped: one'),
    'tenant/a.yaml': configMap('of-tenant', 'a: b'),
    'paused/a.yaml': configMap('of-paused', 'a: b'),
    'leaving/a.yaml': configMap('of-leaving', 'a: b'),
    'staying/a.yaml': configMap('of-staying', 'a: b'),
    ...brokenFiles,
  }
  return Object.fromEntries(Object.entries(texts).map(([path, text]) => [path, text.replaceAll('$NAMESPACE', namespace)]))
}

/** A commit that removes an object, changes a field and removes a field. */
export function nextFiles(round: string): Record<string, string | null> {
  return {
    'apps/changed.yaml': configMap('changed', `kept: one, changed: ${round}`),
    'apps/removed.yaml': `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: added-${round}}\ndata: {a: b}\n`,
  }
}

/** The GitRepository and the Kustomizations, and what else they need. */
export function fleet(cluster: Cluster): Manifest[] {
  const { namespace } = cluster
  const one = (name: string, spec: Readonly<Record<string, unknown>> = {}) =>
    cluster.kustomization(name, {
      sourceRef: { kind: 'GitRepository', name: 'fleet' },
      path: `./${name}`,
      targetNamespace: namespace,
      interval: '1h',
      retryInterval: '1h',
      ...spec,
    })
  return [
    cluster.gitRepository('fleet', { interval: '1h' }),
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'vars', namespace }, data: { region: 'eu', size: '3' } },
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'secret-vars', namespace }, stringData: { token: 'not-a-secret' } },
    ...account(namespace),
    one('crds', { wait: true, targetNamespace: undefined }),
    one('apps', {
      dependsOn: [{ name: 'crds' }],
      commonMetadata: { labels: { team: 'blue' }, annotations: { 'example.com/owner': 'blue' } },
      patches: [{ patch: 'apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {sessionAffinity: ClientIP}\n' }],
      images: [{ name: 'registry.example/web', newTag: '2.0.0' }],
      postBuild: {
        substitute: { color: 'green' },
        substituteFrom: [
          { kind: 'ConfigMap', name: 'vars' },
          { kind: 'Secret', name: 'secret-vars' },
          { kind: 'ConfigMap', name: 'not-there', optional: true },
        ],
      },
      healthChecks: [{ apiVersion: 'v1', kind: 'Service', name: 'web', namespace }],
      healthCheckExprs: [
        {
          apiVersion: `${namespace}.example.com/v1`,
          kind: 'Widget',
          current: 'data.spec.size == 3',
          failed: 'data.spec.size > 100',
        },
      ],
      wait: false,
      timeout: '20s',
    }),
    one('tenant', { serviceAccountName: 'tenant' }),
    one('paused'),
    one('leaving'),
    one('staying', { deletionPolicy: 'Orphan' }),
    ...Object.entries(brokenSpecs).map(([name, spec]) => one(`broken-${name}`, { path: './staying', ...spec })),
  ]
}

const brokenFiles = {
  'broken/yaml/a.yaml': 'a: [b\n',
  'broken/base/kustomization.yaml': 'resources: [none.yaml]\n',
  'broken/refused/a.yaml': `apiVersion: v1\nkind: Service\nmetadata: {name: refused}\nspec: {ports: [{port: 99999}]}\n---\n${configMap('beside', 'a: b')}`,
  'broken/namespace/a.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: $NAMESPACE-none}\n',
  'broken/kind/a.yaml': 'apiVersion: none.example.com/v1\nkind: None\nmetadata: {name: a}\n',
  'broken/variable/a.yaml': configMap('variable', `a: "\${none}"`),
}

/** Kustomizations that cannot work, each for another reason. */
const brokenSpecs: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  path: { path: './not-there' },
  yaml: { path: './broken/yaml' },
  base: { path: './broken/base' },
  refused: { path: './broken/refused' },
  namespace: { path: './broken/namespace', targetNamespace: undefined },
  kind: { path: './broken/kind' },
  variable: { path: './broken/variable', postBuild: { substitute: { some: 'other' } } },
  dependency: { dependsOn: [{ name: 'none' }] },
  source: { sourceRef: { kind: 'GitRepository', name: 'none' } },
  account: { serviceAccountName: 'none' },
  expression: { healthCheckExprs: [{ apiVersion: 'v1', kind: 'None', current: 'a ==== b' }] },
}

export function isBroken({ metadata }: Live): boolean {
  return metadata.name.startsWith('broken-')
}

/** A source of each kind, and a Kustomization of the one that is not Git. */
export function sources(cluster: Cluster, urls: { readonly oci: string; readonly charts: string }): Manifest[] {
  const source = (kind: string, name: string, spec: object): Manifest => ({
    apiVersion: 'source.toolkit.fluxcd.io/v1',
    kind,
    metadata: { name },
    spec: { interval: '1h', ...spec },
  })
  return [
    cluster.gitRepository('app', { interval: '1h', ignore: '/*.md' }),
    cluster.gitRepository('tagged', { url: cluster.git.url('app'), interval: '1h', ref: { tag: 'none' }, timeout: '5s' }),
    source('OCIRepository', 'app', { url: urls.oci, ref: { tag: 'v1' } }),
    source('HelmRepository', 'charts', { url: urls.charts }),
    source('HelmChart', 'shop', { chart: 'shop', version: '1.x', sourceRef: { kind: 'HelmRepository', name: 'charts' } }),
    source('HelmChart', 'own', { chart: './chart', sourceRef: { kind: 'GitRepository', name: 'app' } }),
    cluster.kustomization('app', { sourceRef: { kind: 'OCIRepository', name: 'app' }, targetNamespace: cluster.namespace }),
  ]
}

/** After a run of every source: what they say of themselves, but for when and how large. */
export async function sourcesSettled(cluster: Cluster): Promise<Record<string, object>> {
  const kinds = ['gitrepository', 'ocirepository', 'helmrepository', 'helmchart']
  const outcomes: Record<string, object> = {}
  for (const kind of kinds) for (const { metadata } of await cluster.list(kind)) await cluster.reconcile(`${kind}/${metadata.name}`)
  const applied = await cluster.reconcile('kustomization/app')
  for (const kind of kinds)
    for (const { metadata } of await cluster.list(kind)) {
      // Flux says so first, and writes what follows from it a moment later.
      const { status = {} } = await cluster.until(`${kind}/${metadata.name}`, isSettled)
      const conditions = status.conditions?.map(({ type, status, reason, message }) => [type, status, reason, message].join(' '))
      const { revision, path } = status.artifact ?? {}
      outcomes[`${kind}/${metadata.name}`] = { conditions, revision, path }
    }
  const { resourceVersion } = (await cluster.get('configmap/app')).metadata
  return { ...outcomes, app: { revision: applied.status?.lastAppliedRevision, resourceVersion } }
}

const isSettled: Claim = (source) => source.status?.artifact !== undefined || hasCondition('Ready', 'False')(source)

/** What a namespace's tenant may do. */
function account(namespace: string): Manifest[] {
  const metadata = { name: 'tenant', namespace }
  const kind = 'ServiceAccount'
  return [
    { apiVersion: 'v1', kind, metadata },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ kind, name: 'tenant', namespace }],
    },
  ]
}

/** Stands for the Service of the artifacts: one address, and behind it whoever leads. */
export interface Front extends AsyncDisposable {
  /** `host:port`. */
  readonly address: string
  /** `http://host:port` behind it. */
  target: string
}

export async function startFront(): Promise<Front> {
  const server = createServer((incoming, outgoing) => {
    const forward = request(`${front.target}${incoming.url}`, { headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    forward.on('error', () => outgoing.writeHead(503).end())
    forward.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const front: Front = {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    target: 'http://127.0.0.1:1',
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return front
}

/** By inventory id. */
export type Objects = ReadonlyMap<string, Live>

/** The objects that the Kustomizations have in their inventories, with all that the API server knows of them. */
export async function managedObjects(cluster: Cluster): Promise<Objects> {
  const objects = new Map<string, Live>()
  for (const { status } of await cluster.list('kustomizations')) {
    for (const { id, v } of status?.inventory?.entries ?? []) objects.set(id, await liveOf(cluster, id, v))
  }
  return objects
}

/** By its inventory id: `<namespace>_<name>_<group>_<kind>`. */
async function liveOf(cluster: Cluster, id: string, version: string): Promise<Live> {
  const [namespace = '', name = '', apiGroup = '', kind = ''] = id.split('_')
  const type = apiGroup === '' ? kind : `${kind}.${version}.${apiGroup}`
  const scope = namespace === '' ? [] : ['--namespace', namespace]
  return cluster.kubectl.json<Live>('get', type, name, ...scope, '--show-managed-fields')
}

/** What a Kustomization's status says, but for when. */
export async function outcomesOf(cluster: Cluster): Promise<Record<string, object>> {
  const outcomes: Record<string, object> = {}
  for (const { metadata, spec, status = {} } of await cluster.list('kustomizations')) {
    const { inventory, lastAppliedRevision, lastAttemptedRevision, observedGeneration } = status
    const conditions = status.conditions?.map(({ type, status, reason, message }) =>
      // How long a check took is different each time. What failed is said in words of one's own, without Flux's temporary folder for one.
      [type, status, reason, status === 'True' && type !== 'Stalled' ? message.replace(/in \S+s$/, '') : ''].join(' '),
    )
    const history = (status.history as { digest: string; lastReconciledStatus: string }[] | undefined)?.map(
      ({ digest, lastReconciledStatus }) => `${lastReconciledStatus} ${digest}`,
    )
    outcomes[metadata.name] = {
      finalizers: metadata.finalizers,
      labels: metadata.labels,
      spec,
      ...{ inventory, history, lastAppliedRevision, lastAttemptedRevision, observedGeneration, conditions },
    }
  }
  return outcomes
}

/** Waits until all that apply, and are not suspended, are ready (at a commit). */
export async function untilFleetReady(cluster: Cluster, commit?: string): Promise<void> {
  for (const { metadata, spec } of (await cluster.list('kustomizations')).filter((one) => !isBroken(one)))
    if (spec?.suspend !== true) await cluster.until(`kustomization/${metadata.name}`, isReady(commit), { timeoutMs: 90_000 })
}

/** Waits for an Event of a Kustomization with this text: it is posted beside the work. */
export async function untilEvent({ kubeconfig, namespace }: Cluster, name: string, text: string): Promise<void> {
  for await (const { object } of watchObjects('events', { kubeconfig, namespace }, AbortSignal.timeout(30_000))) {
    const { involvedObject, message } = object as unknown as RecordedEvent
    if (involvedObject.kind === 'Kustomization' && involvedObject.name === name && message.includes(text)) return
  }
  throw new Error(`no Event of Kustomization ${name} says "${text}"`)
}

interface RecordedEvent {
  readonly involvedObject: { readonly kind: string; readonly name: string }
  readonly message: string
}

/** What a person has applied before the Kustomization was there: Flux takes over what kubectl owned. */
export async function applyByHand(cluster: Cluster): Promise<void> {
  await cluster.kubectl(
    'create',
    'configmap',
    'adopted',
    '--from-literal=a=by-hand',
    '--from-literal=left=by-hand',
    '--save-config',
  )
}

export async function suspend(cluster: Cluster, name: string, suspended = true): Promise<void> {
  await cluster.kubectl('patch', 'kustomization', name, '--type=merge', '-p', JSON.stringify({ spec: { suspend: suspended } }))
}

/** Hands the traces of others to what Flux manages: they belong to somebody, and are to stay. */
export async function meddle(cluster: Cluster): Promise<void> {
  const as = ['--field-manager', 'somebody']
  await cluster.kubectl('annotate', 'configmap/changed', 'somebody.example.com/note=1', ...as)
  await cluster.kubectl('label', 'service/web', 'somebody.example.com/seen=1', ...as)
  await cluster.kubectl('patch', 'deployment/web', '--type=merge', '-p', '{"spec":{"replicas":4}}', ...as)
  await cluster.kubectl('patch', 'configmap/once', '--type=merge', '-p', '{"data":{"a":"mine"}}', ...as)
  await cluster.kubectl('patch', 'configmap/merged', '--type=merge', '-p', '{"data":{"theirs":"mine"}}', ...as)
}

function configMap(name: string, data: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {${data}}\n`
}

const crd = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.$NAMESPACE.example.com}
spec:
  group: $NAMESPACE.example.com
  names: {kind: Widget, listKind: WidgetList, plural: widgets, singular: widget}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties: {size: {type: integer, default: 1}, color: {type: string}}
`

const clusterRole = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: $NAMESPACE-reader}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get, list]}]
`

const overlay = `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [all.yaml, changed.yaml, removed.yaml]
configMapGenerator:
  - {name: generated, envs: [settings.env]}
secretGenerator:
  - {name: generated, literals: [password=not-a-secret]}
labels:
  - pairs: {app.kubernetes.io/part-of: fleet}
`

const apps = `apiVersion: v1
kind: ServiceAccount
metadata: {name: web}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: web}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: web}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: web}
subjects: [{kind: ServiceAccount, name: web}]
---
apiVersion: v1
kind: Secret
metadata: {name: web}
stringData: {password: not-a-secret, token: "\${token}"}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: web
      containers:
        - name: web
          image: registry.example/web:1.0.0
          ports: [{name: http, containerPort: 8080}]
          env:
            - {name: COLOR, value: "\${color}"}
            - {name: REGION, value: "\${region:=none}"}
          envFrom: [{configMapRef: {name: generated}}, {secretRef: {name: generated}}]
          resources: {requests: {cpu: 1000m, memory: 0.5Gi}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, annotations: {}}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      hostNetwork: false
      initContainers: [{name: prepare, image: registry.example/db, ports: [{containerPort: 1}]}]
      containers:
        - name: db
          image: registry.example/db
          command: []
          env: [{name: EMPTY, value: ""}, {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}]
          volumeMounts: [{name: data, mountPath: /data, readOnly: false}]
      notAField: true
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: nightly, image: registry.example/nightly}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 8080}]}]}
---
apiVersion: $NAMESPACE.example.com/v1
kind: Widget
metadata: {name: big}
spec: {size: 3, color: "\${color}"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: adopted}
data: {a: from git}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: once
  annotations: {${group}/ssa: IfNotPresent}
data: {a: from git}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: merged
  annotations: {${group}/ssa: Merge}
data: {ours: from git}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: kept
  annotations: {${group}/prune: disabled, ${group}/substitute: disabled}
data: {text: "\${not substituted}"}
`
