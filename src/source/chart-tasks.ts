/** Work on charts, as the main thread sees it: it is done in a worker, by the modules of the same names. */
import type { Task } from '../runtime/workers.ts'
import type { HelmAccess } from './helm-access.ts'

/** A place where packed charts are: over HTTP with an index, or in a registry. */
export interface ChartRepository {
  readonly access: HelmAccess
  /** Where its index is stored already; it is downloaded otherwise. */
  readonly indexFile?: string | undefined
}

/** A version of a chart that a repository has. */
export interface ChartVersion {
  readonly name: string
  readonly version: string
  /** As the index has them; the first one counts. Those of a registry are whole, with their tag. */
  readonly urls: readonly string[]
  /** Of the package, as the index has it. */
  readonly digest?: string | undefined
}

/** Bytes. */
export interface ChartLimits {
  /** `--helm-index-max-size`. */
  readonly indexBytes: number
  /** `--helm-chart-max-size`: of a package. */
  readonly chartBytes: number
  /** `--helm-chart-file-max-size`. */
  readonly fileBytes: number
}

/** What is done to a chart before it is stored. */
export interface Packing {
  /** Whether it is packed anew, under this version; otherwise the package is stored as it is. */
  readonly isPackaged: boolean
  readonly version: string
  /** Merged into its values.yaml; none: it stays as it is. */
  readonly valuesFiles: readonly string[]
  readonly ignoreMissingValuesFiles: boolean
  /** Where the package is written. */
  readonly file: string
  readonly limits: ChartLimits
}

export interface Packed {
  /** `sha256:<hex>` of the file. */
  readonly digest: string
  readonly sizeBytes: number
  /** The values files that were merged. */
  readonly valuesFiles: readonly string[]
  /** How many missing dependencies were added. */
  readonly dependencies: number
}

export interface FindInput {
  readonly repository: ChartRepository
  readonly chart: string
  /** A version or a range of them; empty for the highest. */
  readonly version: string
  readonly limits: ChartLimits
}

/** Which version of a chart a repository has for a range. */
export const findTask: Task<FindInput, ChartVersion> = { name: 'source/chart-find', network: true }

export interface PullInput extends Packing {
  readonly repository: ChartRepository
  readonly chart: ChartVersion
}

/** Downloads a chart. */
export const pullTask: Task<PullInput, Packed> = { name: 'source/chart-pull', network: true }

/** A chart among the files of another source. */
export interface ChartFiles {
  /** Where the source's files are. */
  readonly directory: string
  /** Of the chart's folder or package, relative to that. */
  readonly path: string
}

export interface InspectInput extends ChartFiles {
  readonly limits: ChartLimits
}

export interface Inspected {
  readonly name: string
  readonly version: string
  readonly isFolder: boolean
}

/** What a chart in a source is called. */
export const inspectTask: Task<InspectInput, Inspected> = { name: 'source/chart-inspect' }

export interface PackageInput extends Packing, ChartFiles {
  /** By address, those that dependencies may come from: one, or why there is none. */
  readonly repositories: ReadonlyMap<string, ChartRepository | { readonly problem: string }>
}

/** Undone: dependencies come from repositories, at these addresses, that were not among those given. */
export type PackageOutput = Packed | { readonly lacking: readonly string[] }

/** Packs a chart of a source, with its dependencies. */
export const packageTask: Task<PackageInput, PackageOutput> = { name: 'source/chart-package', network: true }
