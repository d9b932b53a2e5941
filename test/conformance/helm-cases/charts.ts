/** Random small charts: dependencies, values, hooks, odd separators, `--set` strings. */

import type { Random } from '../random.ts'
import type { RenderRequest } from './request.ts'
import { randomTemplate } from './templates.ts'

type Files = Record<string, string>

const NAMES = ['leaf', 'sub', 'lib', 'other']
const KINDS = [
  'ConfigMap',
  'Secret',
  'Service',
  'Deployment',
  'Namespace',
  'Job',
  'Pod',
  'CustomThing',
  'Role',
  'CustomResourceDefinition',
  'Ingress',
  'APIService',
  '',
]
const HOOKS = [
  'pre-install',
  'post-install',
  'pre-install,post-upgrade',
  'test',
  'test-success',
  'crd-install',
  'nonsense',
  'pre-delete',
  '',
  'post-install, test',
  'Pre-Install',
  'pre-install,nonsense',
]
const WEIGHTS = ['"1"', '"-5"', '"x"', '"0"', '3', '"+2"', '" 1"', '""', '"1.5"', '"010"']
const POLICIES = ['before-hook-creation', 'hook-succeeded,hook-failed', 'nonsense', 'hook-failed, hook-succeeded', '']
const SEPARATORS = [
  '---\n',
  '---\n',
  '\n---\n',
  '--- \n',
  '---',
  '---\n---\n',
  '---  # c\n',
  '\n\n---\n\n',
  '----\n',
  ' ---\n',
  '--- x\n',
  '\r\n---\r\n',
  '---\t\n',
  '...\n',
  '---\n# only a comment\n',
]
const VALUE_FILES = [
  'a: 1\n',
  'a: 2\n',
  'x: {y: 1}\n',
  'sub: {enabled: false}\n',
  'sub: {x: null}\nglobal: {g: 2}\n',
  'leaf: null\n',
  'tags: {t1: false, t2: true}\n',
  'sub: text\n',
  'global: {g: null, deep: {d: 1}}\n',
  'map: {a: null, z: 9}\n',
  'sub: {leaf: {enabled: false, y: 5}}\n',
  '',
  'null\n',
  'imported: {k: mine}\n',
  'ali: {x: 3}\n',
  'map: 1\n',
  'list: [9]\n',
]
const SETS = [
  'a=b',
  'a.b=c',
  'a=1,b=2',
  'l[0]=x',
  'l[2].k=v',
  'a={x,y,1}',
  'a=null',
  'sub.x=5',
  'sub.enabled=false',
  'tags.t1=false',
  'a\\.b=1',
  'a=x\\,y',
  'a',
  '=1',
  'a=',
  'l[x]=1',
  'l[-1]=1',
  'a.b.c=true,a.b.d=false',
  'global.g=9',
  'map=null',
  'map.a=null',
  'a=0123',
  'a=1.5',
  'a=1e3',
  'l[0][1]=z',
  'a[0]',
  'a={}',
  'a={a,}',
  'a.=1',
  'a..b=1',
  'ali.x=7',
  'list={}',
  'a={x\\,y,z}',
  'a= b ',
  'a=9223372036854775808',
  'a=-0',
  'l={1,{2}}',
  'a=[1]',
  'a[',
  'a]b=1',
  'a="q"',
  ',',
  'a=1,',
  'l[1]=a,l[0]=b',
  'map.c[0].d=1',
  'a[0].b[1]=2,a[0].c=3',
  'list[0]=null',
  'a=True',
  'a=nil',
]
const JSONS = [
  '{"a":{"b":1}}',
  'a={"x":[1,2]}',
  'a=[1,null]',
  'a=1',
  'a',
  '{',
  'a="s",b=2',
  'map=null',
  'l[1]={"k":1.5}',
  '{"map":{"a":null}}',
  'a={',
  'sub={"x":1}',
  'a=12345678901',
  ' {"a":1}',
  '[1]',
]
const CONDITIONS = [
  'sub.enabled',
  'leaf.enabled',
  'nothing.here',
  'sub.enabled,global.on',
  'a',
  'global.on',
  ',',
  ' sub.enabled',
  'sub.text',
]
const IMPORTS = [
  '[data]',
  '[data, missing]',
  '[{child: data, parent: imported}]',
  '[{child: exports.data, parent: .}]',
  '[{child: map, parent: imported.deep}]',
  '[{child: none, parent: x}]',
  '[{child: "", parent: y}]',
  '[{child: x, parent: z}]',
]
const VALUES = [
  'a: 1',
  'enabled: true',
  'enabled: false',
  'enabled: "yes"',
  'x: 1',
  'x: null',
  'map: {a: 1, b: {c: 2}}',
  'map: {a: null}',
  'list: [1, 2]',
  'global: {g: 1}',
  'global: {on: true, deep: {d: 2}}',
  'tags: {t1: true}',
  'tags: {t2: false}',
  'sub: {x: 2, map: {a: 5}}',
  'sub: {enabled: true}',
  'leaf: {y: 1}',
  'exports: {data: {k: v, n: {o: 1}}}',
  'sub: {leaf: {y: 3}}',
  'imported: {k: own}',
  'big: 1000000',
  'ali: {x: 9}',
  'sub: {global: {g: 7}}',
  'other: {enabled: false}',
  'text: t',
  'sub: 1',
  'sub: {map: null}',
  'sub: {x: null}',
  'leaf: {enabled: true}',
  'global: 1',
  'zero: 0',
  'e: {}',
  'y: 2',
]
const FIELDS = ['version: 0.1.0', 'version: 1.2.3-rc.1+b.2', 'version: v1.0.0', 'version: "1"', 'version: x']
const EXTRA = [
  'type: application',
  'type: library',
  'appVersion: 1.0',
  'appVersion: "2"',
  'description: "a\\nb"',
  'deprecated: true',
  'kubeVersion: ">=1.20.0-0"',
  'kubeVersion: "<1.20"',
  'icon: i',
  'keywords: [a, b]',
  'annotations: {a: b}',
  'annotations: {a: 1}',
  'maintainers: [{name: n, email: e}]',
  'unknown: 1',
  'sources: [s]',
  'home: h',
  'type: x',
  'engine: gotpl',
  'tags: t',
  'condition: c',
]
const SCHEMAS = [
  '{"type":"object","required":["a"]}',
  '{"properties":{"a":{"type":"string"}}}',
  '{"properties":{"map":{"properties":{"a":{"minimum":3}}}}}',
  '{"additionalProperties":false,"properties":{"a":{},"global":{}}}',
  '{',
  '{"properties":{"x":{"enum":[1,"a"]}}}',
  '{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"list":{"maxItems":1}}}',
  '{"properties":{"a":{"type":["integer","null"]}}}',
  '{"not":{"required":["x"]}}',
  '{"properties":{"a":{"$ref":"#/definitions/d"}},"definitions":{"d":{"type":"integer"}}}',
]

export function randomChart(random: Random): RenderRequest {
  const files: Files = {}
  chart(random, files, { folder: '', name: 'app', depth: 2 })
  if (random.chance(0.1))
    files['.helmignore'] = random.pick([
      '*.txt\n',
      'templates/\n',
      'charts/sub\n',
      '!a\n',
      '**/x\n',
      'crds/\n/x.txt\n',
      '[\n',
      '# c\n\n*.yml\n',
      'templates/[ab].yaml\n',
    ])
  return {
    op: 'render',
    chart: { files },
    values: random.chance(0.5) ? random.several(2, () => random.pick(VALUE_FILES)) : [],
    release: {
      name: random.chance(0.95) ? 'rel' : random.pick(['a.b', 'A', 'x'.repeat(53), 'x'.repeat(54), '1', '-a']),
      namespace: random.pick(['ns', 'default']),
      isUpgrade: random.chance(0.2),
    },
    options: {
      kubeVersion: random.chance(0.8) ? '1.34.0' : random.pick(['v1.29.3', '1.34.0-gke.1', '1.20', '1.34.0']),
      apiVersions: random.some(['example.com/v1', 'example.com/v1/Thing'], 2),
      includeCRDs: random.chance(0.4),
      noHooks: random.chance(0.1),
      skipTests: random.chance(0.2),
      skipSchemaValidation: random.chance(0.2),
      set: random.chance(0.15) ? random.some(SETS, 2) : [],
      setString: random.chance(0.1) ? random.some(SETS, 2) : [],
      setJson: random.chance(0.1) ? random.some(JSONS, 2) : [],
      setLiteral: random.chance(0.1) ? random.some(SETS, 2) : [],
    },
  }
}

/** Only the command line's values, which are printed. */
export function randomSets(random: Random): RenderRequest {
  const bits = [
    'a',
    'b',
    '.',
    '.',
    '=',
    '=',
    ',',
    '[',
    ']',
    '0',
    '1',
    '{',
    '}',
    '\\',
    'null',
    'true',
    ' ',
    '"',
    '-',
    '007',
    '1.5',
    'c',
    'é',
    '\n',
    '[1]',
    '=x',
    'a.b',
    '[0].',
  ]
  const set = () => (random.chance(0.5) ? random.pick(SETS) : random.several(8, () => random.pick(bits)).join(''))
  const json = () =>
    random.chance(0.5)
      ? random.pick(JSONS)
      : `${random.several(4, () => random.pick(['a', '.b', '[0]', 'l'])).join('')}=${random.pick(['1', '{"a":1}', '[]', 'null', '"x"', 'x', '1,b=2', '{"a":1},c=3', '1.0', '', '1 2'])}`
  const values = 'a: {b: 1, c: [1, {d: 2}]}\nl: [1, 2, {k: v}]\nb: text\nn: null\n'
  return {
    op: 'render',
    chart: {
      files: {
        'Chart.yaml': 'apiVersion: v2\nname: app\nversion: 0.1.0\n',
        'values.yaml': values,
        'templates/v.yaml': 'v: {{ toJson .Values | quote }}\np: {{ printf "%#v" .Values.a | quote }}\n',
      },
    },
    values: random.chance(0.2) ? ['a: {c: null}\nl: null\n'] : [],
    release: { name: 'rel', namespace: 'ns', isUpgrade: false },
    options: {
      kubeVersion: '1.34.0',
      set: random.several(3, set),
      setString: random.chance(0.3) ? random.several(2, set) : [],
      setJson: random.chance(0.3) ? random.several(2, json) : [],
      setLiteral: random.chance(0.3) ? random.several(2, set) : [],
    },
  }
}

interface Place {
  /** With a slash at its end. */
  readonly folder: string
  readonly name: string
  readonly depth: number
}

function chart(random: Random, files: Files, { folder, name, depth }: Place): void {
  const children = depth > 0 ? random.some(NAMES, 3).filter((each) => each !== name) : []
  files[`${folder}Chart.yaml`] = [
    `apiVersion: ${random.chance(0.95) ? 'v2' : random.pick(['v1', 'v1', '2'])}`,
    `name: ${name}`,
    random.chance(0.97) ? 'version: 0.1.0' : random.pick(FIELDS),
    ...(random.chance(0.2) ? random.some(EXTRA, 1) : []),
    ...(children.length > 0 && random.chance(0.85)
      ? ['dependencies:', ...children.flatMap((child) => dependency(random, child))]
      : []),
    '',
  ].join('\n')
  if (random.chance(0.9)) files[`${folder}values.yaml`] = topKeys(random.some(VALUES, 7))
  if (random.chance(0.04)) files[`${folder}values.schema.json`] = random.pick(SCHEMAS)
  for (let i = random.below(3); i > 0; i--)
    files[
      `${folder}templates/${random.pick(['a.yaml', 'b.yaml', 'c/d.yaml', 'z.yml', 'x.txt', '_p.yaml', 'NOTES.txt', 'tests/t.yaml'])}`
    ] = manifests(random)
  files[`${folder}templates/values.yaml`] =
    `${name}: {{ toJson .Values | squote }}\nchart: {{ .Chart.Name }} {{ .Template.Name }} {{ .Chart.IsRoot }} {{ keys .Subcharts | sortAlpha }}\n`
  if (random.chance(0.3))
    files[`${folder}templates/_helpers.tpl`] =
      `{{- define "name" }}${name}-{{ .Chart.Name }}{{ end }}{{ define "${name}.x" }}{{ .Values.a }}{{ end }}`
  if (random.chance(0.15))
    files[`${folder}crds/${random.pick(['c.yaml', 'sub/d.yaml', 'README.md', 'e.json'])}`] = random.pick([
      'kind: CustomResourceDefinition\n',
      '',
      '{{ not a template }}\n',
      'a: 1\n---\nb: 2\n',
      '{"a":1}',
    ])
  if (random.chance(0.1)) files[`${folder}x.txt`] = 'text'
  for (const child of children)
    chart(random, files, { folder: `${folder}charts/${random.chance(0.9) ? child : `_${child}`}/`, name: child, depth: depth - 1 })
}

function dependency(random: Random, name: string): string[] {
  const fields = [
    `name: ${random.chance(0.99) ? name : 'absent'}`,
    `version: ${random.pick(['0.1.0', '"*"', '"0.x"', '">=0.0.0-0"', '"9"', '"bad range"', '""'])}`,
    random.chance(0.3) ? `condition: "${random.pick(CONDITIONS)}"` : '',
    random.chance(0.3) ? `tags: ${random.pick(['[t1]', '[t2]', '[t1, t2]', '[]'])}` : '',
    random.chance(0.15) ? `alias: ${random.pick(['ali', 'ali', 'a-b', 'sub'])}` : '',
    random.chance(0.25) ? `import-values: ${random.pick(IMPORTS)}` : '',
    random.chance(0.1) ? 'repository: https://charts.test/x' : '',
  ].filter(Boolean)
  const entry = `- {${fields.join(', ')}}`
  return random.chance(0.05) ? [entry, entry.replace('}', ', alias: twice}')] : [entry]
}

/** One line for each key: a key twice is an error that would hide the rest. */
function topKeys(lines: readonly string[]): string {
  return [...new Map(lines.map((line) => [line.split(':')[0], `${line}\n`])).values()].join('')
}

function manifests(random: Random): string {
  const documents = random.several(3, () => document(random))
  const text = documents.join(random.pick(SEPARATORS))
  return (random.chance(0.3) ? random.pick(SEPARATORS) : '') + text + (random.chance(0.2) ? random.pick(SEPARATORS) : '')
}

function document(random: Random): string {
  if (random.chance(0.06))
    return random.pick([
      '',
      '\n',
      '# c\n',
      'a: b: c\n',
      '- a\n',
      'text\n',
      '{{ fail "no" }}',
      '{{ .Values.none.x }}\n',
      '{{ include "nope" . }}',
      'null\n',
      'kind: 1\n',
      'metadata: 1\n',
      '\tx: 1\n',
      '{{ required "needed" .Values.none }}',
      '{a: 1}\n',
      'kind: ConfigMap\nmetadata: {annotations: 1}\n',
      'kind: ConfigMap\nmetadata: {annotations: {a: 1}}\n',
    ])
  if (random.chance(0.02)) return `x: |\n  ${randomTemplate(random).replaceAll('\n', '\n  ')}\n`
  const annotations = [
    random.chance(0.3) ? `    "helm.sh/hook": ${JSON.stringify(random.pick(HOOKS))}\n` : '',
    random.chance(0.2) ? `    "helm.sh/hook-weight": ${random.pick(WEIGHTS)}\n` : '',
    random.chance(0.15) ? `    "helm.sh/hook-delete-policy": ${random.pick(POLICIES)}\n` : '',
    random.chance(0.05) ? '    helm.sh/hook-output-log-policy: hook-failed,hook-succeeded\n' : '',
    random.chance(0.1) ? '    helm.sh/resource-policy: keep\n' : '',
  ].join('')
  const lines = [
    random.chance(0.2) ? '# Comment {{ .Release.Name }}\n' : '',
    random.chance(0.9) ? `apiVersion: ${random.pick(['v1', 'apps/v1', 'example.com/v1', 'rbac.authorization.k8s.io/v1'])}\n` : '',
    `kind: ${random.pick(KINDS)}\n`,
    `metadata:\n  name: ${random.pick(['a', 'b', '{{ .Release.Name }}-x', '{{ include "name" . }}', '1', '{{ .Chart.Name }}'])}\n`,
    annotations === '' ? '' : `  annotations:\n${annotations}`,
    random.pick([
      '',
      'data:\n  v: {{ .Values.a | quote }}\n',
      'data: {{- .Values.map | toYaml | nindent 2 }}\n',
      'spec:\n{{- range .Values.list }}\n- {{ . }}\n{{- end }}\n',
      'g: {{ .Values.global | toJson }}\n',
      'text: |\n  a\n  ---\n  b\n',
    ]),
  ]
  return lines.join('')
}
