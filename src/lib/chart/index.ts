/**
 * Helm charts: load one, render it with values for a release, and read what a release or a repository keeps.
 *
 * `loadChart` reads a folder or a package; `mergeValues` reads what users give; `render` gives what is applied to a cluster. A loaded chart is
 * never changed, and its parsed templates are kept as long as it is: releases share it.
 */

export { Budget, type Environment, LimitError } from '../gotemplate/index.ts'
export { defaultCapabilities } from './capabilities.ts'
export type { Capabilities, Chart, ChartFile, Crd, Dependency, Hook, Manifest, Metadata, ReleaseInfo, Rendered } from './chart.ts'
export { RenderError } from './engine-errors.ts'
export { type HeadLimits, headOfFolder, headOfPackage } from './head.ts'
export { indexToJson, versionsIn } from './index-json.ts'
export { chartsIn, type IndexedChart, type IndexParts, indexParts, wholeIndex } from './index-parts.ts'
export { type ChartLocation, chartEngine, type InflateRequest } from './inflate.ts'
export { type ChartSource, type LoadOptions, loadChart } from './load.ts'
export { mergeValues, type ValueOptions } from './options.ts'
export { packChart, withValues } from './pack.ts'
export { type PostRender, type PostRenderStrategy, postRender } from './post-render.ts'
export { manifestOf, type PrintOptions, printRendered, selectManifests, type WrittenFile, writtenFiles } from './print.ts'
export {
  decodeRelease,
  encodeRelease,
  type HookRun,
  type Release,
  type ReleaseHook,
  type ReleaseRecord,
  type ReleaseSecret,
  type ReleaseStatus,
  secretName,
  secretOf,
  secretType,
  userLabels,
} from './release.ts'
export { type ReleaseParts, releaseParts } from './release-encode.ts'
export { checkInstallable, type RenderedFiles, type RenderOptions, render, renderFiles, sortRendered } from './render.ts'
export { type ChartRequest, chartUrl, findVersion, type IndexEntry, parseIndex, type RepositoryIndex } from './repository.ts'
export { type MergedValues, mergeValuesFiles, type ValuesFilesOptions } from './values-files.ts'
