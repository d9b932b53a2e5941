/** Random kustomizations for the fuzzer: a base, an overlay in the middle, one on top, and perhaps a component. */

import type { Json, JsonObject } from '../../src/lib/json.ts'
import { emit } from '../../src/lib/yaml/index.ts'
import { Random } from './random.ts'

/** Path → text. The folder to build is `over`. */
export type Files = Map<string, string>

const NAMES = ['web', 'api', 'db', 'cfg', 'sec', 'sa', 'x-1', 'true', '123', 'a.b']
const NAMESPACES = ['', '', '', 'default', 'prod', 'ns2']
const TEXTS = [
  'a',
  'true',
  'yes',
  'on',
  '123',
  '1e3',
  '0x1f',
  '',
  'a: b',
  '- a',
  'multi\nline\n',
  'tab\there',
  '~',
  'null',
  '2001-01-01',
  ' lead',
  'trail ',
  'ü',
  '😀',
  "it's",
  '"q"',
  '#c',
  'a #b',
  '*a',
  '%x',
  '@y',
  '{a}',
  '[b]',
  '|',
  '>',
  '!t',
  'x'.repeat(90),
  'word '.repeat(30),
]
const SCALARS = [
  '1',
  '0o7',
  '010',
  '1.50',
  '1e3',
  'true',
  'yes',
  'null',
  '~',
  '"1"',
  "'yes'",
  '2001-01-01',
  '!!str 5',
  '0b11',
  '1_000',
  '9007199254740993',
  '-0',
  '.5',
  '"\\u263a"',
  '>-\n      a\n      b',
  '|\n      a\n       b',
  'plain text',
  'a\n      b',
]
const KINDS = [
  'Deployment',
  'StatefulSet',
  'Service',
  'ConfigMap',
  'Secret',
  'Ingress',
  'CronJob',
  'RoleBinding',
  'ClusterRoleBinding',
  'ServiceAccount',
  'Widget',
  'HorizontalPodAutoscaler',
  'Namespace',
  'CustomResourceDefinition',
  'PersistentVolumeClaim',
] as const

const API: Readonly<Record<string, string>> = {
  Deployment: 'apps/v1',
  StatefulSet: 'apps/v1',
  Ingress: 'networking.k8s.io/v1',
  CronJob: 'batch/v1',
  RoleBinding: 'rbac.authorization.k8s.io/v1',
  ClusterRoleBinding: 'rbac.authorization.k8s.io/v1',
  Widget: 'example.com/v1',
  HorizontalPodAutoscaler: 'autoscaling/v2beta2',
  CustomResourceDefinition: 'apiextensions.k8s.io/v1',
}

/** The case of one seed: the same seed gives the same files. */
export function randomCase(seed: number): Files {
  return new Generator(seed).generate()
}

class Generator {
  readonly #random: Random
  /** How much a kustomization holds: a full one seldom builds, a thin one seldom shows how features work on each other. */
  readonly #density: number
  readonly files: Files = new Map()
  readonly #generated: string[] = []
  readonly #ids: { kind: string; name: string; namespace: string }[] = []

  constructor(seed: number) {
    this.#random = new Random(seed)
    this.#density = this.#random.pick([0.2, 0.4, 1])
  }

  generate(): Files {
    this.#folder('base', [])
    const components = this.#random.chance(0.4) ? ['../comp'] : []
    if (components.length > 0) this.#folder('comp', [], { component: true })
    this.#folder('mid', ['../base'])
    this.#folder('over', [this.#random.chance(0.7) ? '../mid' : '../base'], { components })
    return this.files
  }

  #folder(path: string, bases: readonly string[], { component = false, components = [] as readonly string[] } = {}): void {
    const kustomization: JsonObject = component ? { apiVersion: 'kustomize.config.k8s.io/v1alpha1', kind: 'Component' } : {}
    const count = this.#random.below(bases.length === 0 && !component ? 7 : 2) + (bases.length === 0 && !component ? 1 : 0)
    const resources: string[] = [...bases]
    for (let i = 0; i < count; i++) {
      const file = `r${i}.yaml`
      this.files.set(`${path}/${file}`, this.#resourceFile())
      resources.push(file)
    }
    if (resources.length > 0) kustomization.resources = resources
    if (components.length > 0) kustomization.components = [...components]
    this.#addFields(kustomization, path)
    if (Object.keys(kustomization).length === 0) kustomization.namePrefix = 'p-'
    this.files.set(`${path}/kustomization.yaml`, emit(kustomization))
  }

  #resourceFile(): string {
    if (this.#random.chance(0.15)) return this.#oddWidget()
    const count = this.#random.chance(0.3) ? 2 : 1
    const resources = Array.from({ length: count }, () => this.#resource())
    if (this.#random.chance(0.06))
      return emit({ apiVersion: 'v1', kind: this.#random.pick(['List', 'WidgetList']), items: resources })
    return resources.map(emit).join(this.#random.pick(['---\n', '---\n', '--- \n# a comment\n---\n']))
  }

  #oddWidget(): string {
    const name = this.#newId('Widget')
    const lines = this.#random.some(SCALARS, 5).map((scalar, i) => `    k${i}: ${scalar}\n`)
    return `apiVersion: example.com/v1\nkind: Widget\nmetadata:\n  name: ${JSON.stringify(name.name)}\nspec:\n  odd:\n    a: b\n${lines.join('')}`
  }

  #newId(kind: string): { kind: string; name: string; namespace: string } {
    // A few clashes are worth having, but a case of nothing but errors shows little.
    for (let attempt = 0; ; attempt++) {
      const id = {
        kind,
        name: this.#random.pick(NAMES) + (attempt > 3 ? String(attempt) : ''),
        namespace: this.#random.pick(NAMESPACES),
      }
      const clashes = this.#ids.some((known) => known.kind === kind && known.name === id.name)
      if (clashes && !this.#random.chance(0.02)) continue
      this.#ids.push(id)
      return id
    }
  }

  #resource(): JsonObject {
    const kind = this.#random.pick(KINDS)
    const { name, namespace } = this.#newId(kind)
    const metadata: JsonObject = { name }
    if (namespace !== '') metadata.namespace = namespace
    if (this.#random.chance(0.4)) metadata.labels = this.#entries()
    if (this.#random.chance(0.3)) metadata.annotations = this.#entries()
    const object: JsonObject = { apiVersion: API[kind] ?? 'v1', kind, metadata, ...this.#body(kind) }
    if (this.#random.chance(0.25)) this.#punch(object)
    return object
  }

  /** Empties something somewhere: nulls and empty collections have rules of their own. */
  #punch(object: JsonObject): void {
    const r = this.#random
    const hole = (): Json => r.pick<Json>([null, {}, [], '', 0, 'text', [null], { a: null }])
    const places: (() => void)[] = []
    const walk = (value: Json): void => {
      if (typeof value !== 'object' || value === null) return
      for (const key of Object.keys(value)) {
        if (['apiVersion', 'kind', 'name', 'metadata'].includes(key)) continue
        const holder = value as JsonObject
        places.push(() => {
          holder[key] = hole()
        })
        walk(holder[key] ?? null)
      }
    }
    walk(object)
    if (places.length > 0) r.pick(places)()
    if (r.chance(0.3))
      (object.metadata as JsonObject)[r.pick(['labels', 'annotations'])] = r.pick<Json>([null, {}, { n: 1 }, { b: true, s: 'x' }])
  }

  #entries(): JsonObject {
    return Object.fromEntries(
      this.#random
        .some(['app', 'tier', 'example.com/x', 'k', '__proto__', 'toString'], 3)
        .map((key) => [key, this.#random.pick(['a', 'b', '1', 'true'])]),
    )
  }

  #texts(): JsonObject {
    return Object.fromEntries(
      this.#random
        .some(['k1', 'k10', 'k2', 'a.b', 'x-y', '__proto__', 'constructor'], 4)
        .map((key) => [key, this.#random.pick(TEXTS)]),
    )
  }

  #body(kind: string): JsonObject {
    const r = this.#random
    const ref = (): string => r.pick(NAMES)
    switch (kind) {
      case 'Deployment':
      case 'StatefulSet':
        return {
          spec: {
            ...(r.chance(0.7) && { replicas: 1 + r.below(3) }),
            selector: { matchLabels: { app: 'a' } },
            template: this.#podTemplate(),
          },
        }
      case 'CronJob':
        return { spec: { schedule: '* * * * *', jobTemplate: { spec: { template: this.#podTemplate() } } } }
      case 'Service':
        return {
          spec: {
            selector: { app: 'a' },
            ports: r.some([{ port: 80 }, { port: 443, protocol: 'TCP', name: 'https' }, { port: 80, protocol: 'UDP' }], 3),
          },
        }
      case 'ConfigMap':
        return { data: this.#texts() }
      case 'Secret':
        return { type: 'Opaque', data: { a: 'YQ==' }, ...(r.chance(0.3) && { stringData: this.#texts() }) }
      case 'Ingress':
        return {
          spec: {
            tls: [{ secretName: ref() }],
            rules: [{ http: { paths: [{ path: '/', backend: { service: { name: ref(), port: { number: 80 } } } }] } }],
          },
        }
      case 'RoleBinding':
      case 'ClusterRoleBinding':
        return {
          roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
          subjects: r.some(
            [
              { kind: 'ServiceAccount', name: ref(), namespace: 'prod' },
              { kind: 'ServiceAccount', name: 'default', namespace: 'x' },
              { kind: 'User', name: 'u' },
            ],
            3,
          ),
        }
      case 'HorizontalPodAutoscaler':
        return { spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: ref() }, maxReplicas: 3 } }
      case 'Widget':
        return {
          spec: {
            template: this.#podTemplate(),
            items: [
              { name: 'a', v: 1 },
              { name: 'b', v: 2 },
            ],
          },
        }
      case 'CustomResourceDefinition':
        return { spec: { group: 'example.com', names: { kind: 'Widget' } } }
      case 'PersistentVolumeClaim':
        return { spec: { volumeName: ref(), storageClassName: ref() } }
      default:
        return {}
    }
  }

  #podTemplate(): JsonObject {
    const r = this.#random
    const container = (name: string): JsonObject => ({
      name,
      image: r.pick(['nginx', 'nginx:1.0', 'reg:5000/app/nginx:2', 'busybox@sha256:abc', 'app:1@sha256:def']),
      ...(r.chance(0.5) && {
        ports: r.some([{ containerPort: 80 }, { containerPort: 80, protocol: 'UDP' }, { containerPort: 443, name: 'https' }], 3),
      }),
      ...(r.chance(0.5) && {
        env: r.some(
          [
            { name: 'A', value: '1' },
            { name: 'B', valueFrom: { configMapKeyRef: { name: r.pick(NAMES), key: 'k' } } },
            { name: 'C', value: '$(VAR)' },
          ],
          3,
        ),
      }),
      ...(r.chance(0.3) && { envFrom: [{ secretRef: { name: r.pick(NAMES) } }] }),
      ...(r.chance(0.3) && { args: r.some(['--a', '--b=$(VAR)', '80'], 3) }),
      ...(r.chance(0.2) && { volumeMounts: [{ name: 'v', mountPath: '/v' }] }),
    })
    return {
      metadata: { labels: { app: 'a' }, ...(r.chance(0.3) && { annotations: this.#entries() }) },
      spec: {
        ...(r.chance(0.4) && { serviceAccountName: r.pick(NAMES) }),
        containers: ['main', 'side'].slice(0, 1 + r.below(2)).map(container),
        ...(r.chance(0.3) && { initContainers: [container('init')] }),
        ...(r.chance(0.4) && {
          volumes: r.some(
            [
              { name: 'v', configMap: { name: r.pick(NAMES) } },
              { name: 's', secret: { secretName: r.pick(NAMES) } },
              { name: 'e', emptyDir: {} },
            ],
            3,
          ),
        }),
        ...(r.chance(0.2) && { tolerations: [{ key: 'a', operator: 'Exists' }] }),
      },
    }
  }

  #addFields(kustomization: JsonObject, path: string): void {
    const r = this.#random
    const maybe = (probability: number, name: string, make: () => Json): void => {
      if (r.chance(probability * this.#density)) kustomization[name] = make()
    }
    maybe(0.3, 'namePrefix', () => r.pick(['p-', 'dev-', '1']))
    maybe(0.2, 'nameSuffix', () => r.pick(['-s', '-v1']))
    maybe(0.3, 'namespace', () => r.pick(['prod', 'ns2', 'default']))
    maybe(0.2, 'commonLabels', () => this.#entries())
    maybe(0.25, 'labels', () => [
      {
        pairs: this.#entries(),
        includeSelectors: r.chance(0.4),
        includeTemplates: r.chance(0.4),
        ...(r.chance(0.2) && { fields: [{ path: 'spec/extra', create: true, kind: 'Widget' }] }),
      },
    ])
    maybe(0.2, 'commonAnnotations', () => this.#entries())
    maybe(0.3, 'images', () => [
      { name: r.pick(['nginx', 'reg:5000/app/nginx', 'busybox', 'app', 'n.*x']), ...this.#imageChange() },
    ])
    maybe(this.#ids.some((id) => id.kind === 'Deployment') ? 0.15 : 0.01, 'replicas', () => [
      { name: this.#knownName(['Deployment']), count: r.below(5) },
    ])
    maybe(0.45, r.chance(0.95) ? 'configMapGenerator' : 'secretGenerator', () => [this.#dataGenerator(path)])
    maybe(0.02, 'secretGenerator', () => [this.#dataGenerator(path)])
    maybe(0.15, 'generatorOptions', () => ({
      ...(r.chance(0.5) && { disableNameSuffixHash: true }),
      ...(r.chance(0.5) && { labels: this.#entries() }),
      ...(r.chance(0.3) && { immutable: true }),
      ...(r.chance(0.3) && { annotations: this.#entries() }),
    }))
    maybe(0.5, 'patches', () => Array.from({ length: 1 + r.below(2) }, () => this.#patch()))
    maybe(0.15, 'patchesStrategicMerge', () => [this.#mergePatch()])
    maybe(0.06, 'patchesJson6902', () => [
      { target: { ...this.#sourceId(), version: r.pick(['v1', 'v2']) }, patch: emit(r.some(this.#safeOperations(), 3)) },
    ])
    maybe(0.06, 'crds', () => [this.#crdSchema(path)])
    maybe(0.08, 'generators', () => [this.#generatorConfig()])
    maybe(0.04, 'validators', () => [this.#transformer()])
    maybe(0.03, 'imageTags', () => [{ name: 'nginx', newTag: r.pick(['7', '1.10']) }])
    this.#moveToFiles(kustomization, path)
    maybe(0.25, 'replacements', () => [this.#replacement()])
    maybe(this.#ids.length > 0 ? 0.06 : 0, 'vars', () => [
      {
        name: 'VAR',
        objref: this.#varSource(),
        ...(r.chance(0.5) && { fieldref: { fieldPath: 'kind' } }),
      },
    ])
    maybe(0.1, 'buildMetadata', () => [r.pick(['originAnnotations', 'transformerAnnotations', 'managedByLabel'])])
    maybe(0.1, 'sortOptions', () => ({ order: r.pick(['fifo', 'legacy']) }))
    maybe(0.1, 'configurations', () => [this.#configuration(path)])
    maybe(0.06, 'openapi', () => ({ path: this.#schema(path) }))
    maybe(0.15, 'transformers', () => [this.#transformer()])
  }

  /** Puts a patch or a replacement into a file of its own, as people do. */
  #moveToFiles(kustomization: JsonObject, path: string): void {
    const r = this.#random
    const [patch] = (kustomization.patches ?? []) as JsonObject[]
    if (patch && r.chance(0.2)) {
      this.files.set(`${path}/patch.yaml`, String(patch.patch))
      delete patch.patch
      patch.path = 'patch.yaml'
    }
    if (kustomization.replacements && r.chance(0.2)) {
      this.files.set(`${path}/replacement.yaml`, emit(r.chance(0.5) ? kustomization.replacements : this.#replacement()))
      kustomization.replacements = [{ path: 'replacement.yaml' }]
    }
  }

  #generatorConfig(): string {
    const r = this.#random
    const name = `p${this.#generated.length}`
    this.#generated.push(name)
    return emit({
      apiVersion: 'builtin',
      kind: r.pick(['ConfigMapGenerator', 'SecretGenerator']),
      metadata: { name, ...(r.chance(0.3) && { namespace: 'ns2' }) },
      literals: r.some(['a=b', 'c=1', 'd=on'], 3),
      ...(r.chance(0.3) && { options: { disableNameSuffixHash: true, labels: this.#entries() } }),
    })
  }

  /** A schema as `crds` takes it: its fields may hold names, labels and annotations. */
  #crdSchema(path: string): string {
    const ref = {
      type: 'string',
      ...this.#random.pick([
        { 'x-kubernetes-object-ref-api-version': 'v1', 'x-kubernetes-object-ref-kind': 'ConfigMap' },
        { 'x-kubernetes-object-ref-kind': 'Deployment', 'x-kubernetes-object-ref-name-key': 'ref' },
        { 'x-kubernetes-label-selector': '' },
        { 'x-kubernetes-annotation': '' },
      ]),
    }
    const definitions = {
      'example.com/v1.Widget': {
        Schema: {
          properties: {
            apiVersion: { type: 'string' },
            kind: { type: 'string' },
            metadata: { type: 'object' },
            spec: { $ref: 'example.com/v1.WidgetSpec' },
          },
        },
      },
      'example.com/v1.WidgetSpec': { Schema: { properties: { extra: ref, odd: ref, items: { type: 'array', items: ref } } } },
    }
    this.files.set(`${path}/crd.json`, JSON.stringify(definitions))
    return 'crd.json'
  }

  #imageChange(): JsonObject {
    return this.#random.pick([
      { newTag: '9' },
      { newName: 'other/img' },
      { digest: 'sha256:123' },
      { newTag: '9', newName: 'a:5/b' },
      { tagSuffix: '-x' },
      { newTag: '1e3' },
      { newTag: '5', digest: 'sha256:9' },
    ])
  }

  #knownName(kinds: readonly string[]): string {
    const known = this.#ids.filter((id) => kinds.includes(id.kind))
    return known.length > 0 && this.#random.chance(0.9) ? this.#random.pick(known).name : this.#random.pick(NAMES)
  }

  #dataGenerator(path: string): JsonObject {
    const r = this.#random
    const merges = this.#generated.length > 0 && r.chance(0.4)
    const name = merges ? r.pick(this.#generated) : `g${this.#generated.length}`
    if (!merges) this.#generated.push(name)
    const generator: JsonObject = { name }
    if (merges) generator.behavior = r.pick(['merge', 'merge', 'replace'])
    if (r.chance(0.1)) generator.namespace = r.pick(['prod', 'ns2'])
    if (r.chance(0.7)) generator.literals = r.some(['a=b', 'c="d e"', "q='x'", 'n=1', 'm=yes', 'e='], 3)
    if (r.chance(0.3)) {
      this.files.set(`${path}/f.txt`, r.pick(TEXTS))
      generator.files = [r.pick(['f.txt', 'key=f.txt'])]
    }
    if (r.chance(0.2)) {
      this.files.set(`${path}/f.env`, 'X=1\n# c\n  Y = 2 \nZ\n')
      generator.envs = ['f.env']
    }
    if (r.chance(0.2))
      generator.options = {
        ...(r.chance(0.5) && { disableNameSuffixHash: true }),
        ...(r.chance(0.5) && { annotations: this.#entries() }),
      }
    return generator
  }

  #target(): JsonObject {
    const r = this.#random
    return r.pick<() => JsonObject>([
      () => ({ kind: r.pick(KINDS) }),
      () => ({ kind: r.pick(['Deployment', 'Deploy.*', '.*Set', 'Service']), name: r.pick([...NAMES, '.*', 'w.*']) }),
      () => ({ labelSelector: r.pick(['app=a', 'app', '!app', 'app in (a,b)', 'tier!=b']) }),
      () => ({ name: this.#knownName(KINDS) }),
      () => ({ annotationSelector: 'k=a', kind: r.pick(KINDS) }),
      () => ({ namespace: r.pick(['prod', 'default', 'ns.']) }),
    ])()
  }

  #patch(): JsonObject {
    const r = this.#random
    if (r.chance(0.4))
      return {
        target: this.#target(),
        patch: emit([
          { op: 'add', path: '/metadata/annotations', value: { z: '1' } },
          ...(r.chance(0.2) ? r.some(this.#operations(), 2) : r.some(this.#safeOperations(), 3)),
        ]),
      }
    if (r.chance(0.3))
      return {
        target: this.#target(),
        patch: this.#mergePatch(),
        ...(r.chance(0.3) && {
          options: { allowNameChange: true, allowKindChange: this.#generated.length === 0 && r.chance(0.5) },
        }),
      }
    return { patch: this.#mergePatch() }
  }

  #operations(): JsonObject[] {
    return [
      { op: 'replace', path: '/metadata/name', value: 'renamed' },
      { op: 'add', path: '/metadata/labels/new', value: 'x' },
      { op: 'remove', path: '/metadata/labels' },
      { op: 'add', path: '/spec/extra', value: [1, 1.5, null, true, '5', { a: [] }] },
      { op: 'replace', path: '/spec/replicas', value: 1000000 },
      { op: 'copy', from: '/metadata/name', path: '/metadata/copied' },
      { op: 'test', path: '/kind', value: 'Deployment' },
      { op: 'add', path: '/spec/template/spec/containers/-', value: { name: 'added', image: 'i' } },
      { op: 'remove', path: '/spec/template/spec/containers/-1' },
    ]
  }

  #safeOperations(): JsonObject[] {
    return [
      { op: 'add', path: '/metadata/labels', value: { set: 'by-patch' } },
      { op: 'add', path: '/spec', value: { list: [1, 1.5, null, true, '5', { a: [] }], big: 1000000, small: 0.00001 } },
      { op: 'replace', path: '/metadata/extra', value: 9007199254740993n },
      { op: 'test', path: '/metadata/annotations/z', value: '1' },
      { op: 'move', from: '/metadata/annotations/z', path: '/metadata/annotations/y' },
      { op: 'add', path: '/metadata/name', value: 'renamed' },
    ]
  }

  #mergePatch(): string {
    const r = this.#random
    const known =
      r.chance(0.98) && this.#ids.length > 0 ? r.pick(this.#ids) : { kind: r.pick(KINDS), name: r.pick(NAMES), namespace: '' }
    const metadata: JsonObject = {
      name: known.name,
      ...(known.namespace !== '' && { namespace: known.namespace }),
      ...(r.chance(0.3) && { labels: this.#entries() }),
      ...(r.chance(0.2) && { annotations: { k: null, z: '9' } }),
    }
    const pod = {
      metadata: { labels: { extra: 'y' } },
      spec: {
        containers: r.some<JsonObject>(
          [
            {
              name: 'main',
              image: 'patched',
              env: [
                { name: 'A', value: '2' },
                { name: 'N', value: 'n' },
              ],
            },
            { name: 'side', $patch: 'delete' },
            { name: 'new', image: 'n' },
            { name: 'main', ports: [{ containerPort: 80, protocol: 'TCP', name: 'p' }] },
            { $patch: 'replace' },
          ],
          3,
        ),
        ...(r.chance(0.3) && { volumes: [{ name: 'v', emptyDir: {}, configMap: null }] }),
        ...(r.chance(0.2) && { tolerations: [{ key: 'b' }] }),
      },
    }
    const specs: JsonObject[] = [
      { replicas: 7 },
      { template: pod },
      { replicas: null, template: pod },
      { $patch: 'replace', other: 1 },
      { items: [{ name: 'b', v: 3 }] },
      { ports: [{ port: 80, targetPort: 8080 }, { port: 9 }] },
      {},
      { selector: null },
    ]
    const body: JsonObject =
      known.kind === 'ConfigMap'
        ? { data: { k1: 'patched', k2: null } }
        : { spec: known.kind === 'CronJob' ? { jobTemplate: { spec: { template: pod } } } : r.pick(specs) }
    return emit({
      apiVersion: API[known.kind] ?? 'v1',
      kind: known.kind,
      metadata,
      ...(r.chance(0.1) ? { $patch: 'delete' } : body),
    })
  }

  #replacement(): JsonObject {
    const r = this.#random
    const options = (): JsonObject =>
      r.pick<JsonObject>([
        {},
        { options: { delimiter: '.', index: 0 } },
        { options: { create: true } },
        { options: { delimiter: ':', index: 1 } },
        { options: { delimiter: '-', index: -1 } },
      ])
    return {
      source: {
        ...this.#sourceId(),
        ...(r.chance(0.4) && {
          fieldPath: r.pick([
            'metadata.name',
            'kind',
            'apiVersion',
            'metadata',
            'data.k1',
            'spec.replicas',
            'metadata.labels.app',
            'spec.ports.0.port',
          ]),
        }),
        ...(r.chance(0.2) && options()),
      },
      targets: [
        {
          select: this.#target(),
          ...(r.chance(0.3) && { reject: [{ name: r.pick(NAMES) }] }),
          fieldPaths: [
            r.chance(0.8)
              ? r.pick(['metadata.name', 'metadata.annotations.copied', 'spec.added.deep'])
              : r.pick([
                  'metadata.labels.app',
                  'spec.template.spec.containers.*.image',
                  'spec.template.spec.containers.[name=main].image',
                  'spec.list.0',
                ]),
          ],
          ...(r.chance(0.7) ? { options: { create: true } } : options()),
        },
      ],
    }
  }

  #varSource(): JsonObject {
    const { kind, name } = this.#random.pick(this.#ids)
    return { kind, name, apiVersion: API[kind] ?? 'v1' }
  }

  #sourceId(): JsonObject {
    if (this.#ids.length === 0) return { kind: 'Service', name: 'web' }
    const { kind, name } = this.#random.pick(this.#ids)
    return { kind, name }
  }

  #configuration(path: string): string {
    const r = this.#random
    const fieldSpec = (): JsonObject => ({
      path: r.pick(['spec/template/spec/volumes/name', 'metadata/labels', 'spec/items/name', 'spec/extra', 'metadata/annotations']),
      ...(r.chance(0.5) && { kind: r.pick(KINDS) }),
      ...(r.chance(0.3) && { create: true }),
    })
    const config: JsonObject = {}
    for (const name of r.some(
      ['namePrefix', 'commonLabels', 'commonAnnotations', 'images', 'replicas', 'varReference', 'namespace'],
      2,
    ))
      config[name] = [fieldSpec()]
    if (r.chance(0.5))
      config.nameReference = [
        {
          kind: r.pick(KINDS),
          fieldSpecs: [{ path: r.pick(['spec/items/name', 'spec/volumeName', 'metadata/annotations/k']), kind: r.pick(KINDS) }],
        },
      ]
    this.files.set(`${path}/config.yaml`, emit(config))
    return 'config.yaml'
  }

  #schema(path: string): string {
    const list = {
      type: 'array',
      items: { type: 'object' },
      'x-kubernetes-patch-strategy': 'merge',
      'x-kubernetes-patch-merge-key': 'name',
    }
    const widget = {
      type: 'object',
      properties: { spec: { type: 'object', properties: { items: list } } },
      'x-kubernetes-group-version-kind': [{ group: 'example.com', version: 'v1', kind: 'Widget' }],
    }
    this.files.set(`${path}/schema.json`, JSON.stringify({ definitions: { Widget: widget } }))
    return 'schema.json'
  }

  #transformer(): string {
    const r = this.#random
    const config = (kind: string, fields: JsonObject): string =>
      emit({
        apiVersion: 'builtin',
        kind,
        metadata: { name: 't', ...(kind === 'NamespaceTransformer' && { namespace: 'tns' }) },
        ...fields,
      })
    return r.pick([
      () =>
        config('PrefixTransformer', {
          prefix: 'tp-',
          fieldSpecs: [{ path: 'metadata/name' }, { path: 'spec/template/spec/containers/name', kind: 'Deployment' }],
        }),
      () =>
        config('NamespaceTransformer', {
          unsetOnly: r.chance(0.5),
          setRoleBindingSubjects: r.pick(['none', 'allServiceAccounts', 'defaultOnly']),
          fieldSpecs: [{ path: 'metadata/namespace', create: true }],
        }),
      () =>
        config('LabelTransformer', {
          labels: { lt: 'x' },
          fieldSpecs: [
            { path: 'metadata/labels', create: true },
            { path: 'spec/deep/labels', create: true, kind: 'Widget' },
          ],
        }),
      () => config('ValueAddTransformer', { value: 'va', targets: [{ fieldPath: 'metadata/annotations/va' }] }),
      () =>
        config('ReplicaCountTransformer', {
          replica: { name: this.#knownName(['Deployment']), count: 3 },
          fieldSpecs: [{ path: 'spec/replicas', create: true, kind: 'Deployment' }],
        }),
    ])()
  }
}
