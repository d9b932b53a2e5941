/** What a chart is, once loaded: shared by many releases and never changed. */

import type { Dict } from '../gotemplate/value.ts'

/** A file of a chart. */
export interface ChartFile {
  /** Relative to the chart's folder, with `/`: `templates/deployment.yaml`. */
  readonly name: string
  readonly data: Uint8Array
  /** Milliseconds since the epoch; absent where the package does not say. */
  readonly modTime?: number
}

/** A chart with its dependencies. Frozen in meaning: rendering copies what it changes (values above all). */
export interface Chart {
  readonly metadata: Metadata
  readonly lock?: Lock
  /** Files under templates/, in the order of loading. */
  readonly templates: readonly ChartFile[]
  /** The other files, as templates see them in `.Files` (not Chart.yaml, values.yaml, values.schema.json, charts/, templates/). */
  readonly files: readonly ChartFile[]
  /** All files that the chart came with, as they were: what a package or a release is made from. */
  readonly raw: readonly ChartFile[]
  /** values.yaml. */
  readonly values: Dict
  /** values.schema.json. */
  readonly schema?: Uint8Array
  /** The charts under charts/, in the order of loading. */
  readonly dependencies: readonly Chart[]
  /** Of Chart.yaml and values.schema.json, in a chart out of release storage, which has no `raw` files. */
  readonly modTime?: number
  readonly schemaModTime?: number
}

/** Chart.yaml. The order of the fields is Helm's: it shows in release storage. Source: helm pkg/chart/v2/metadata.go. */
export interface Metadata {
  readonly name: string
  readonly home?: string
  readonly sources?: readonly string[]
  readonly version: string
  readonly description?: string
  readonly keywords?: readonly string[]
  readonly maintainers?: readonly Maintainer[]
  readonly icon?: string
  readonly apiVersion: string
  readonly condition?: string
  readonly tags?: string
  readonly appVersion?: string
  readonly deprecated?: boolean
  readonly annotations?: ReadonlyMap<string, string>
  readonly kubeVersion?: string
  readonly dependencies?: readonly Dependency[]
  readonly type?: string
}

export interface Maintainer {
  readonly name?: string
  readonly email?: string
  readonly url?: string
}

/** An entry of Chart.yaml's `dependencies` (or of the old requirements.yaml). */
export interface Dependency {
  readonly name: string
  readonly version?: string
  readonly repository: string
  readonly condition?: string
  readonly tags?: readonly string[]
  /** Set by processing: whether condition and tags let it in. */
  readonly enabled?: boolean
  /** `import-values`: each a name of an export or a `{child, parent}` pair. */
  readonly importValues?: readonly (string | { readonly child: string; readonly parent: string })[]
  readonly alias?: string
}

/** Chart.lock (or requirements.lock). */
export interface Lock {
  readonly generated: string
  readonly digest: string
  readonly dependencies: readonly Dependency[]
}

/** The release that templates see as `.Release`. */
export interface ReleaseInfo {
  readonly name: string
  readonly namespace: string
  readonly revision: number
  readonly isUpgrade: boolean
}

/** The cluster that templates see as `.Capabilities`. */
export interface Capabilities {
  /** With or without a leading `v`: `v1.34.0`. */
  readonly kubeVersion: string
  /** `v1`, `apps/v1`, `apps/v1/Deployment` …; in addition to none: the whole set. */
  readonly apiVersions: readonly string[]
}

/** A rendered document that is applied as part of the release. */
export interface Manifest {
  /** The template it came from: `app/templates/a.yaml`. */
  readonly path: string
  readonly kind: string
  readonly content: string
}

/** A rendered document that runs at events of the release. Source: helm pkg/release/v1/hook.go. */
export interface Hook {
  readonly name: string
  readonly kind: string
  readonly path: string
  readonly manifest: string
  readonly events: readonly string[]
  readonly weight: number
  readonly deletePolicies: readonly string[]
  readonly outputLogPolicies: readonly string[]
}

/** A file of a crds/ folder, its own chart's or a dependency's. */
export interface Crd {
  /** `app/charts/leaf/crds/a.yaml`. */
  readonly path: string
  /** `crds/a.yaml`. */
  readonly name: string
  readonly data: Uint8Array
}

/** Everything that rendering a chart gives. */
export interface Rendered {
  /** With its dependencies processed: what a release keeps. */
  readonly chart: Chart
  /** In install order. */
  readonly manifests: readonly Manifest[]
  readonly hooks: readonly Hook[]
  readonly crds: readonly Crd[]
  /** NOTES.txt of the chart itself (and of its dependencies when asked for). */
  readonly notes: string
  readonly warnings: readonly string[]
}
