/** A chart, values and a release → what is applied to a cluster. Source: helm pkg/action/install.go, action.go. */

import { BuildError, messageOf } from '../errors.ts'
import type { Environment } from '../gotemplate/environment.ts'
import { quote } from '../gotemplate/strconv.ts'
import type { Dict } from '../gotemplate/value.ts'
import { type KubeVersion, parseKubeVersion } from './capabilities.ts'
import type { Capabilities, Chart, ReleaseInfo, Rendered } from './chart.ts'
import { crdsOf } from './crds.ts'
import { checkDependencies, isInRange, processDependencies } from './dependencies.ts'
import { renderTemplates } from './engine.ts'
import { RenderError } from './engine-errors.ts'
import type { Answers } from './functions.ts'
import { sortManifests } from './manifests.ts'
import { compareText, installOrder } from './order.ts'
import { checkSchemas, type SchemaCheckOptions } from './schema.ts'
import { coalesceValues } from './values.ts'

export interface RenderOptions extends SchemaCheckOptions, Answers {
  readonly environment: Environment
  /** A key that is missing is an error. */
  readonly strict?: boolean
  /** The notes of dependencies come with those of the chart. */
  readonly subchartNotes?: boolean
  readonly skipSchemaValidation?: boolean
}

/** What is rendered: files as the templates gave them, but for the notes. */
export interface RenderedFiles {
  readonly chart: Chart
  /** By path, `app/templates/a.yaml`. */
  readonly files: ReadonlyMap<string, string>
  readonly notes: string
  readonly warnings: readonly string[]
}

/**
 * Renders a chart for a release: everything that an installation would apply, in its order. Neither the chart nor the values are changed.
 * @throws Error in the words of `helm install`: for a name, dependencies, values, Kubernetes version or template that is wrong; LimitError.
 */
export function render(
  chart: Chart,
  values: Dict,
  release: ReleaseInfo,
  capabilities: Capabilities,
  options: RenderOptions,
): Rendered {
  return sortRendered(renderFiles(chart, values, release, capabilities, options))
}

/** The first half of `render`: for those who change the files in between, as a post-renderer does. */
export function renderFiles(
  chart: Chart,
  values: Dict,
  release: ReleaseInfo,
  capabilities: Capabilities,
  options: RenderOptions,
): RenderedFiles {
  const kubeVersion = kubeVersionOf(capabilities)
  checkReleaseName(release.name)
  const warnings: string[] = []
  const warn = (warning: string): void => void warnings.push(warning)
  const enabled = withDependencies(chart, values, warn)
  const coalesced = coalesceValues(enabled, values, { warn })
  if (!options.skipSchemaValidation) checkSchemas(enabled, coalesced, options)
  checkKubeVersion(enabled, kubeVersion)
  const { environment, lookup, resolveHost, strict, subchartNotes = false } = options
  const answers = { lookup, resolveHost }
  const files = renderTemplates({ chart: enabled, values: coalesced, release, capabilities, environment, strict, ...answers })
  const notes = takeNotes(files, enabled.metadata.name, { subchartNotes })
  return { chart: enabled, files, notes, warnings }
}

/** The second half of `render`. */
export function sortRendered({ chart, files, notes, warnings }: RenderedFiles): Rendered {
  return { chart, ...sortManifests(files, installOrder), crds: crdsOf(chart), notes, warnings }
}

/**
 * Whether a chart can be rendered for a release by itself: no library chart, and all its dependencies are there.
 * @throws BuildError in Helm's words.
 * Source: helm pkg/cmd/install.go.
 */
export function checkInstallable(chart: Chart): void {
  const { type = '' } = chart.metadata
  if (type !== '' && type !== 'application') throw new BuildError(`${type} charts are not installable`)
  try {
    checkDependencies(chart)
  } catch (error) {
    const advice = `You may need to run 'helm dependency build' to fetch missing dependencies`
    throw new BuildError(
      `an error occurred while checking for chart dependencies. ${advice}: ${messageOf(error)}`,
      {},
      { cause: error },
    )
  }
}

/** Source: chartutil.ValidateReleaseName. */
const validName = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const longestName = 53

function checkReleaseName(name: string): void {
  if (name === '') throw new BuildError('release name check failed: release name "": no name provided')
  if (name.length <= longestName && validName.test(name)) return
  const rule = `must match regex ${validName.source} and the length must not be longer than ${longestName}`
  throw new BuildError(`release name check failed: release name ${quote(name)}: invalid release name, ${rule}`)
}

function withDependencies(chart: Chart, values: Dict, warn: (warning: string) => void): Chart {
  try {
    return processDependencies(chart, values, { warn })
  } catch (error) {
    throw new BuildError(`chart dependencies processing failed: ${messageOf(error)}`, {}, { cause: error })
  }
}

function kubeVersionOf({ kubeVersion }: Capabilities): KubeVersion {
  try {
    return parseKubeVersion(kubeVersion)
  } catch (error) {
    throw new BuildError(`invalid kube version '${kubeVersion}': ${messageOf(error)}`, {}, { cause: error })
  }
}

function checkKubeVersion({ metadata }: Chart, { version, normalized }: KubeVersion): void {
  const range = metadata.kubeVersion ?? ''
  if (range === '' || isInRange(range, normalized)) return
  throw new RenderError(`chart requires kubeVersion: ${range} which is incompatible with Kubernetes ${version}`)
}

const notesSuffix = 'NOTES.txt'

/** Removes the files of notes from the others. Those of dependencies are only kept when asked for, in the order of their paths. */
function takeNotes(files: Map<string, string>, name: string, { subchartNotes }: { readonly subchartNotes: boolean }): string {
  const paths = [...files.keys()].filter((path) => path.endsWith(notesSuffix)).sort(compareText)
  const kept = paths.filter((path) => subchartNotes || path === `${name}/templates/${notesSuffix}`)
  const notes = kept.map((path) => files.get(path) ?? '')
  for (const path of paths) files.delete(path)
  return notes.reduce((text, note) => (text === '' ? note : `${text}\n${note}`), '')
}
