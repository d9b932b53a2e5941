/**
 * helmCharts: charts of the source, or of a repository, as objects. Charts are read and rendered by what is handed in: this library knows
 * nothing of Helm. Source: kustomize's HelmChartInflationGenerator.
 */

import { BuildError, messageOf } from '../../errors.ts'
import type { Json } from '../../json.ts'
import type { Tree } from '../../tree.ts'
import { emit, nodeToJson, parseNodes } from '../../yaml/index.ts'
import { wrapError } from '../fields.ts'
import type { HelmChart } from '../kustomization.ts'
import type { Loader } from '../loader.ts'
import { mergeStrategic } from '../merge/strategic.ts'
import { type ReadOptions, readResources } from '../read.ts'
import { BUILD_ANNOTATIONS, type Resource } from '../resource.ts'

/** A chart to render, and how. */
export interface ChartRequest {
  /** The chart's folder. */
  readonly chart: Tree
  /** Empty: Helm's own stand-in. */
  readonly releaseName: string
  /** Empty: the default one. */
  readonly namespace: string
  /** Texts of values files, in the order of `-f`. */
  readonly values: readonly { readonly name: string; readonly content: string }[]
  /** Empty: Helm's default. */
  readonly kubeVersion: string
  readonly apiVersions: readonly string[]
  readonly includeCrds: boolean
  readonly skipHooks: boolean
  readonly skipTests: boolean
}

/** Where a chart of a repository is to be found. */
export interface ChartLocation {
  readonly repo: string
  readonly name: string
  /** A version or a range; empty: the newest. */
  readonly version: string
  /** Versions before a release count too. */
  readonly devel: boolean
}

/** What reads and renders charts; `helmCharts` from sluice/helm is one. */
export interface ChartEngine {
  /** The standard output of `helm template`. @throws Error with Helm's text. */
  render(request: ChartRequest): string
  /** The address of a chart's package, by the text of the repository's index.yaml. @throws Error */
  locate(index: Uint8Array, location: ChartLocation): string
  /** The folder in a package. @throws Error */
  unpack(archive: Uint8Array): Tree
}

/** Charts, with what the flags of `kustomize build` say of all of them. */
export interface ChartOptions {
  readonly engine: ChartEngine
  readonly kubeVersion?: string
  readonly apiVersions?: readonly string[]
}

interface ChartContext {
  readonly loader: Loader
  readonly read: ReadOptions
  readonly charts: ChartOptions | undefined
}

const merges = ['merge', 'override', 'replace']
const defaultHome = 'charts'

/** @throws BuildError for a chart that is not there, is described wrongly, or cannot be rendered. */
export function inflateChart(chart: HelmChart, chartHome: string, { loader, read, charts }: ChartContext): Resource[] {
  if (!charts) throw new BuildError('must specify --enable-helm')
  if (chart.name === '') throw new BuildError('chart name cannot be empty')
  const additional = chart.additionalValuesFiles.map((file) => {
    try {
      return { name: file, content: loader.text(file) }
    } catch (error) {
      throw wrapError(error, 'could not load additionalValuesFile')
    }
  })
  if (chart.valuesMerge !== '' && !merges.includes(chart.valuesMerge))
    throw new BuildError(`valuesMerge must be one of [${merges.join(' ')}]`)
  if (chart.nameTemplate !== '') throw new BuildError('nameTemplate is not supported: set releaseName')
  const home = homeOf(chart, chartHome || defaultHome)
  const local = loader.folder(`${home}/${chart.name}`)
  const tree = local ?? pulled(chart, `${home}/${chart.name}`, { loader, charts })
  const own = { name: `${chart.name}-kustomize-values.yaml`, content: valuesOf(chart, tree, { loader, read }) }
  const output = render(chart, { tree, values: [own, ...additional] }, charts)
  const resources = readResources(output, read)
  for (const resource of resources) resource.setAnnotations(resource.annotations().set(BUILD_ANNOTATIONS.helm, 'true'))
  return resources
}

/** A chart that is pulled in a version has a folder of its own. */
function homeOf({ name, version, repo }: HelmChart, home: string): string {
  return version !== '' && repo !== '' ? `${home}/${name}-${version}` : home
}

function pulled(chart: HelmChart, path: string, { loader, charts }: { loader: Loader; charts: ChartOptions }): Tree {
  const { name, version, repo, devel } = chart
  if (repo === '') throw new BuildError(`no repo specified for pull, no chart found at '${path}'`)
  if (repo.startsWith('oci://'))
    throw new BuildError(`charts of registries are not pulled: run helm pull ${repo.replace(/\/$/, '')}/${name} into '${path}'`)
  const index = loader.load(`${repo.replace(/\/+$/, '')}/index.yaml`)
  try {
    return charts.engine.unpack(loader.load(charts.engine.locate(index, { repo, name, version, devel })))
  } catch (error) {
    throw error instanceof BuildError ? wrapError(error, `chart ${name} of ${repo}`) : error
  }
}

/** The values file, with the inline values when there are any. */
function valuesOf(chart: HelmChart, tree: Tree, { loader, read }: Pick<ChartContext, 'loader' | 'read'>): string {
  const inline = isEmpty(chart.valuesInline) ? undefined : chart.valuesInline
  if (inline !== undefined && chart.valuesMerge === 'replace') return emit(inline)
  const file = chart.valuesFile === '' ? decoder.decode(tree.read('values.yaml')) : loader.text(chart.valuesFile)
  if (inline === undefined) return file
  const [own, given] = [file, emit(inline)].map((source) => parseNodes(source, { dialect: 'kyaml', ...read.limits })[0])
  if (!own || !given) return emit(inline)
  const merged = chart.valuesMerge === 'merge' ? mergeStrategic(own, given, read.schemas) : mergeStrategic(given, own, read.schemas)
  return merged ? emit(nodeToJson(merged)) : '{}\n'
}

const decoder = new TextDecoder()

function isEmpty(value: Json): boolean {
  return value === null || (typeof value === 'object' && Object.keys(value).length === 0)
}

function render(chart: HelmChart, { tree, values }: { tree: Tree; values: ChartRequest['values'] }, charts: ChartOptions): string {
  try {
    return charts.engine.render({
      chart: tree,
      values,
      releaseName: chart.releaseName,
      namespace: chart.namespace,
      kubeVersion: charts.kubeVersion || chart.kubeVersion,
      apiVersions: charts.apiVersions?.length ? charts.apiVersions : chart.apiVersions,
      includeCrds: chart.includeCRDs,
      skipHooks: chart.skipHooks,
      skipTests: chart.skipTests,
    })
  } catch (error) {
    throw new BuildError(`unable to render chart '${chart.name}': ${messageOf(error)}`, {}, { cause: error })
  }
}
