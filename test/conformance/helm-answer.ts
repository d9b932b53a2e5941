/** What the chart engine answers to a request of the conformance runner. */

import { randomBytes } from 'node:crypto'
import {
  Budget,
  chartUrl,
  checkInstallable,
  defaultCapabilities,
  type Environment,
  findVersion,
  type Hook,
  loadChart,
  mergeValues,
  parseIndex,
  printRendered,
  type ReleaseInfo,
  render,
  renderFiles,
} from '../../src/lib/chart/index.ts'
import { messageOf } from '../../src/lib/errors.ts'
import { memoryTree } from '../../src/lib/tree.ts'

interface ReleaseOptions {
  readonly name: string
  readonly namespace: string
  readonly isUpgrade?: boolean
}

interface RenderOptions {
  readonly kubeVersion: string
  readonly apiVersions?: readonly string[]
  readonly includeCRDs?: boolean
  readonly noHooks?: boolean
  readonly skipTests?: boolean
  readonly skipSchemaValidation?: boolean
  readonly set?: readonly string[]
  readonly setString?: readonly string[]
  readonly setJson?: readonly string[]
  readonly setLiteral?: readonly string[]
}

interface TemplateRequest {
  readonly op: 'template'
  readonly template: string
  readonly values: string
  readonly files: Readonly<Record<string, string>>
  readonly templates: Readonly<Record<string, string>>
  readonly release: ReleaseOptions
  readonly options: RenderOptions
}

interface RenderRequest {
  readonly op: 'render'
  readonly chart: { readonly path: string } | { readonly files: Readonly<Record<string, string>> }
  readonly values: readonly string[]
  readonly release: ReleaseOptions
  readonly options: RenderOptions
}

interface VersionRequest {
  readonly op: 'version'
  readonly constraint: string
  readonly versions: readonly string[]
}

interface IndexRequest {
  readonly op: 'index'
  readonly index: string
  readonly chart: string
  readonly version: string
}

export type Request = TemplateRequest | RenderRequest | VersionRequest | IndexRequest

export type Answer = { readonly ok: true; readonly [key: string]: unknown } | { readonly ok: false; readonly error: string }

interface Disk {
  readPackage(path: string): Uint8Array
}

/** The answer to one request; an error is an answer too. */
export function answer(request: Request, disk: Disk): Answer {
  try {
    return { ok: true, ...perform(request, disk) }
  } catch (error) {
    // Helm's own line breaks at the end are lost among those of its output.
    return { ok: false, error: messageOf(error).replace(/\n+$/, '') }
  }
}

function perform(request: Request, disk: Disk): Readonly<Record<string, unknown>> {
  switch (request.op) {
    case 'template':
      return { output: renderTemplate(request) }
    case 'render':
      return renderChart(request, disk)
    case 'version':
      return { chosen: chooseVersion(request) }
    case 'index':
      return { url: resolveUrl(request) }
  }
}

const chartFile = `apiVersion: v2
name: conf
description: Conformance chart
type: application
version: 1.2.3
appVersion: "4.5.6"
keywords: [one, two]
home: https://conf.example/
annotations:
  conf.example/a: "b"
maintainers:
- name: Pat
  email: pat@conf.example
`

function renderTemplate({ template, values, files, templates, release, options }: TemplateRequest): string {
  const chart = loadChart(
    memoryTree([
      ['Chart.yaml', chartFile],
      ['values.yaml', values],
      ...Object.entries({ ...files, ...templates, 'templates/NOTES.txt': template }),
    ]),
  )
  checkInstallable(chart)
  return renderFiles(chart, new Map(), releaseOf(release), capabilitiesOf(options), { environment: environment() }).notes
}

/** A package is loaded once, however many renderings it has. */
const packages = new Map<string, ReturnType<typeof loadChart>>()

function chartOf(chart: RenderRequest['chart'], disk: Disk): ReturnType<typeof loadChart> {
  if ('files' in chart) return loadChart(memoryTree(Object.entries(chart.files)))
  const loaded = packages.get(chart.path) ?? loadChart({ archive: disk.readPackage(chart.path) })
  packages.set(chart.path, loaded)
  return loaded
}

function renderChart(request: RenderRequest, disk: Disk): Readonly<Record<string, unknown>> {
  const { options, release } = request
  const { set = [], setString = [], setJson = [], setLiteral = [] } = options
  const files = request.values.map((content, index) => ({ name: `values-${index}.yaml`, content }))
  const values = mergeValues({ files, set, setString, setJson, setLiteral })
  const chart = chartOf(request.chart, disk)
  checkInstallable(chart)
  const rendered = render(chart, values, releaseOf(release), capabilitiesOf(options), {
    environment: environment(),
    skipSchemaValidation: options.skipSchemaValidation ?? false,
  })
  const { includeCRDs: includeCrds = false, noHooks = false, skipTests = false } = options
  const manifests = printRendered(rendered, { includeCrds, noHooks, skipTests })
  return { manifests, notes: rendered.notes, hooks: rendered.hooks.map(hookAnswer) }
}

function hookAnswer(hook: Hook): object {
  const { name, kind, path, manifest, events, weight, deletePolicies, outputLogPolicies } = hook
  return {
    ...(name !== '' && { name }),
    ...(kind !== '' && { kind }),
    path,
    manifest,
    events,
    ...(weight !== 0 && { weight }),
    ...(deletePolicies.length > 0 && { delete_policies: deletePolicies }),
    ...(outputLogPolicies.length > 0 && { output_log_policies: outputLogPolicies }),
  }
}

function releaseOf({ name, namespace, isUpgrade = false }: ReleaseOptions): ReleaseInfo {
  return { name, namespace, isUpgrade, revision: 1 }
}

function capabilitiesOf({ kubeVersion, apiVersions = [] }: RenderOptions) {
  return { kubeVersion, apiVersions: [...defaultCapabilities.apiVersions, ...apiVersions] }
}

function environment(): Environment {
  return {
    now: present,
    random: (length) => randomBytes(length),
    zone: 'UTC',
    budget: new Budget(),
  }
}

/** Now, or a moment later, in milliseconds: Go prints no zeros behind the nanoseconds, and helm was recorded at a time without any. */
function present(): number {
  for (;;) {
    const now = performance.timeOrigin + performance.now()
    if (Math.floor((now % 1) * 1e6) % 10 !== 0) return now
  }
}

const repository = 'http://repository.test'

function chooseVersion({ constraint, versions }: VersionRequest): string {
  const entries = versions.map((version, index) => ({ name: 'app', version, urls: [`${index}.tgz`] }))
  const index = parseIndex(JSON.stringify({ apiVersion: 'v1', entries: { app: entries } }))
  return findVersion(index, { chart: 'app', version: constraint, repository: 'REPO' }).version
}

function resolveUrl({ index, chart, version }: IndexRequest): string {
  const found = parseRepositoryIndex(index)
  const entry = findVersion(found, { chart, version, repository: 'REPO' })
  const url = chartUrl(entry, { chart, version, repository })
  return url.startsWith(`${repository}/`) ? url.slice(repository.length + 1) : url
}

function parseRepositoryIndex(text: string): ReturnType<typeof parseIndex> {
  try {
    return parseIndex(text)
  } catch (error) {
    throw new Error(`looks like "REPO" is not a valid chart repository or cannot be reached: ${messageOf(error)}`, { cause: error })
  }
}
