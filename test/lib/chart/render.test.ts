import { describe, expect, it } from 'vitest'
import {
  defaultCapabilities,
  loadChart,
  postRender,
  printRendered,
  RenderError,
  renderFiles,
  selectManifests,
  sortRendered,
  writtenFiles,
} from '../../../src/lib/chart/index.ts'
import { LimitError } from '../../../src/lib/gotemplate/environment.ts'
import { memoryTree } from '../../../src/lib/tree.ts'
import { chartOf, environment, printed, release, rendered } from './chart.ts'

const object = (kind: string, name: string, more = ''): string => `kind: ${kind}\nmetadata:\n  name: ${name}\n${more}`
const hook = (events: string, more = ''): string => `  annotations:\n    helm.sh/hook: ${events}\n${more}`

describe('rendering', () => {
  it('prints documents in install order, hooks last', () => {
    const chart = chartOf({
      'templates/a.yaml': [object('Deployment', 'd'), object('Zebra', 'z'), object('Apple', 'a')].join('---\n'),
      'templates/b.yaml': [object('Service', 's'), object('Job', 'j', hook('pre-install'))].join('--- # two\n'),
      'templates/_x.tpl': 'never printed',
      'crds/c.yaml': 'kind: CustomResourceDefinition\n',
    })
    const output = printRendered(rendered(chart), { includeCrds: true })
    expect([...output.matchAll(/^kind: (.*)$/gm)].map(([, kind]) => kind)).toEqual([
      'CustomResourceDefinition',
      'Service',
      'Deployment',
      'Apple',
      'Zebra',
      'Job',
    ])
    expect(output).toContain(
      '---\n# Source: app/crds/c.yaml\nkind: CustomResourceDefinition\n\n---\n# Source: app/templates/b.yaml\n',
    )
  })

  it('sees what templates set in the values of a chart and its dependencies, and leaves the chart alone', () => {
    const chart = chartOf({
      'values.yaml': 'leaf: {size: 1}\n',
      'charts/leaf/Chart.yaml': 'apiVersion: v2\nname: leaf\nversion: 0.1.0\n',
      'charts/leaf/templates/b.yaml': '{{ $_ := set .Values "size" 2 }}',
      'templates/NOTES.txt': '{{ .Values.leaf.size }} {{ .Subcharts.leaf.Values.size }} {{ .Subcharts.leaf.Template.Name }}',
    })
    for (const _ of [1, 2]) expect(rendered(chart).notes).toBe('2 2 app/charts/leaf/templates/b.yaml')
    expect(chart.values.get('leaf')).toEqual(new Map([['size', 1]]))
  })

  it('shares parsed templates between renders without sharing what a tpl defines', () => {
    const chart = chartOf({
      'templates/NOTES.txt':
        '{{ define "a" }}1{{ end }}{{ tpl "{{ define \\"a\\" }}2{{ end }}{{ include \\"a\\" . }}" . }}{{ include "a" . }}',
    })
    for (const _ of [1, 2]) expect(rendered(chart).notes).toBe('21')
  })

  it('asks the handed-in reader for objects of the cluster', () => {
    const asked: string[][] = []
    const lookup = (...request: string[]) => {
      asked.push(request)
      return new Map([['data', 'found']])
    }
    expect(printed('{{ (lookup "v1" "Secret" "ns" "x").data }}', {}, { lookup })).toBe('found')
    expect(asked).toEqual([['v1', 'Secret', 'ns', 'x']])
  })

  it.each([
    [
      '{{ .Values.a.b }}',
      'app/templates/NOTES.txt:1:10\n  executing "app/templates/NOTES.txt" at <.Values.a.b>:\n    nil pointer evaluating interface {}.b',
    ],
    ['{{ fail "no: way" }}', 'execution error at (app/templates/NOTES.txt:1:3): no: way'],
    ['{{ required "want it" "" }}', 'execution error at (app/templates/NOTES.txt:1:3): want it'],
    [
      '{{ include "gone" . }}',
      'app/templates/NOTES.txt:1:3\n  executing "app/templates/NOTES.txt" at <include "gone" .>:\n    error calling include:\ntemplate: no template "gone" associated with template "gotpl"',
    ],
    ['{{ nope }}', 'parse error at (app/templates/NOTES.txt:1): function "nope" not defined'],
    [
      '{{ mustToYaml (dict "a" (float64 "NaN")) }}',
      'error calling mustToYaml: error marshaling into JSON: json: unsupported value: NaN',
    ],
  ])('words the error of %s as helm does', (template, message) => {
    expect(() => printed(template)).toThrow(RenderError)
    expect(() => printed(template)).toThrow(message)
  })

  it('refuses a missing key when it is strict', () => {
    expect(printed('{{ .Values.none }}')).toBe('')
    expect(() => printed('{{ .Values.none }}', {}, { strict: true })).toThrow('map has no entry for key "none"')
  })

  it('names the file of a manifest that is no YAML', () => {
    const chart = chartOf({ 'templates/a.yaml': 'a: b: c\n' })
    expect(() => rendered(chart)).toThrow(
      'YAML parse error on app/templates/a.yaml: error converting YAML to JSON: yaml: mapping values are not allowed in this context',
    )
  })

  it('compares the Kubernetes version without what follows its numbers', () => {
    const chart = loadChart(memoryTree([['Chart.yaml', 'apiVersion: v2\nname: app\nversion: 1.0.0\nkubeVersion: ">=1.30.0"\n']]))
    const on = (kubeVersion: string) => () =>
      renderFiles(chart, new Map(), release, { ...defaultCapabilities, kubeVersion }, { environment: environment() })
    expect(on('v1.30.4-gke.100')).not.toThrow()
    expect(on('1.29')).toThrow('chart requires kubeVersion: >=1.30.0 which is incompatible with Kubernetes v1.29')
    expect(on('x')).toThrow(`invalid kube version 'x': could not parse "x" as version`)
  })

  it.each(['', 'Web', 'a'.repeat(54), 'a_b'])('refuses %j for the name of a release', (name) => {
    const run = () => renderFiles(chartOf({}), new Map(), { ...release, name }, defaultCapabilities, { environment: environment() })
    expect(run).toThrow(`release name check failed: release name ${JSON.stringify(name)}: `)
  })
})

describe('a hostile chart', () => {
  it.each([
    ['recursion', '{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}'],
    ['recursion through tpl', '{{ define "a" }}{{ tpl "{{ include \\"a\\" . }}" . }}{{ end }}{{ include "a" . }}'],
    ['endless templates', '{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}'],
    ['many steps', '{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}'],
    ['much text', '{{ $x := "0123456789" }}{{ range until 40 }}{{ $x = print $x $x }}{{ end }}'],
    [
      'much YAML',
      '{{ $d := dict }}{{ range until 100 }}{{ $_ := set $d (print .) (repeat 1000 "a b ") }}{{ end }}{{ range until 10000 }}{{ $_ := toYaml $d }}{{ end }}',
    ],
  ])('ends in an error: %s', (_, template) => {
    const limits = { maxSteps: 2_000_000, maxBytes: 32 * 1024 * 1024 }
    expect(() => printed(template, {}, { environment: environment(limits) })).toThrow(Error)
  })

  it('tells an exhausted budget from a mistake of the chart', () => {
    expect(() => printed('{{ repeat 100 "a" | tpl }}{{ end }}', {})).toThrow(RenderError)
    expect(() => printed('{{ repeat 1000000 "aaaa" | fromYaml }}', {}, { environment: environment({ maxBytes: 1000 }) })).toThrow(
      LimitError,
    )
  })

  it.each(['constructor', '__proto__', 'toString', 'hasOwnProperty'])('finds nothing under %s', (key) => {
    expect(printed(`{{ .Values.${key} }}{{ get .Values "${key}" }}{{ .Release.${key} }}{{ hasKey .Chart "${key}" }}`)).toBe('false')
    expect(
      printed(`{{ toYaml (dict "${key}" 1) }} {{ (fromYaml "${key}: 2").${key} }} {{ (fromJson "{\\"${key}\\": 3}").${key} }}`),
    ).toBe(`${key}: 1 2 3`)
  })
})

describe('hooks', () => {
  const hooksOf = (annotations: string) =>
    rendered(chartOf({ 'templates/h.yaml': object('Job', 'j', `  annotations:\n${annotations}`) })).hooks

  it('have events, a weight and policies', () => {
    expect(
      hooksOf(
        '    helm.sh/hook: PRE-Install , test-success\n    helm.sh/hook-weight: "-5"\n    helm.sh/hook-delete-policy: Hook-Failed,x\n',
      ),
    ).toMatchObject([
      {
        name: 'j',
        kind: 'Job',
        events: ['pre-install', 'test'],
        weight: -5,
        deletePolicies: ['hook-failed', 'x'],
        outputLogPolicies: [],
      },
    ])
  })

  it.each(['pre-install,nope', '""'])('with the events %s are left out', (events) => {
    expect(hooksOf(`    helm.sh/hook: ${events}\n`)).toEqual([])
  })

  it.each([
    ['1.5', 0],
    ['x', 0],
    ['"+7"', 7],
    ['12', 12],
  ])('weigh %s as %d', (weight, expected) => {
    expect(hooksOf(`    helm.sh/hook: test\n    helm.sh/hook-weight: ${weight}\n`)[0]?.weight).toBe(expected)
  })
})

describe('the output', () => {
  const chart = chartOf({
    'templates/a.yaml': [object('Service', 'one'), object('Service', 'two')].join('---\n'),
    'templates/sub/b.yaml': object('ConfigMap', 'three'),
    'templates/t.yaml': object('Pod', 't', hook('test')),
  })

  it('shows only the templates that are asked for, in the order in which they are', () => {
    const output = printRendered(rendered(chart))
    const names = (...templates: string[]) =>
      [...selectManifests(output, templates).matchAll(/name: (.*)/g)].map(([, name]) => name)
    expect(names('templates/a.yaml')).toEqual(['one', 'two'])
    expect(names('templates/t.yaml', 'templates/*/b.yaml')).toEqual(['t', 'three'])
    expect(() => names('templates/none.yaml')).toThrow('could not find template templates/none.yaml in chart')
  })

  it('leaves hooks or tests out', () => {
    expect(printRendered(rendered(chart), { noHooks: true })).not.toContain('kind: Pod')
    expect(printRendered(rendered(chart), { skipTests: true })).not.toContain('kind: Pod')
  })

  it('goes into files, several documents into one', () => {
    expect(writtenFiles(rendered(chart)).map(({ path, isFirst }) => [path, isFirst])).toEqual([
      ['app/templates/sub/b.yaml', true],
      ['app/templates/a.yaml', true],
      ['app/templates/a.yaml', false],
      ['app/templates/t.yaml', true],
    ])
  })
})

describe('a post-renderer', () => {
  const files = () =>
    renderFiles(
      chartOf({ 'templates/a.yaml': [object('Service', 'one'), object('Pod', 't', hook('test'))].join('---\n') }),
      new Map(),
      release,
      defaultCapabilities,
      { environment: environment() },
    )

  it.each([
    ['combined', 1],
    ['separate', 2],
    ['nohooks', 1],
  ] as const)('is asked for %s objects', async (strategy, calls) => {
    const seen: string[] = []
    const changed = await postRender(
      files(),
      (documents) => {
        seen.push(documents)
        return `${documents.replace('name: one', 'name: other')}---\nkind: Added\n`
      },
      { strategy },
    )
    expect(seen).toHaveLength(calls)
    expect(seen[0]).toContain('postrenderer.helm.sh/postrender-filename: app/templates/a.yaml')
    const output = printRendered(sortRendered(changed))
    expect(output).toContain('# Source: app/templates/a.yaml\nkind: Service\nmetadata:\n  name: other\n')
    expect(output).toContain('kind: Added')
    expect(output).not.toContain('postrenderer')
    expect(sortRendered(changed).hooks).toHaveLength(1)
  })

  it('may fail', async () => {
    const fail = () => Promise.reject(new Error('no'))
    await expect(postRender(files(), fail)).rejects.toThrow('error while running post render on files: no')
    await expect(postRender(files(), () => 'a: b: c')).rejects.toThrow('error while parsing post rendered output: yaml: ')
  })
})
