/** Rendering a release, as the main thread sees it: the work is done in `render-release.ts`, in a worker. */
import type { HelmReleaseSpec } from '../api/helmrelease.ts'
import type { Key, KubeObject } from '../api/object.ts'
import type { Capabilities, Hook, ReleaseInfo } from '../lib/chart/index.ts'
import type { Json } from '../lib/json.ts'
import type { Task } from '../runtime/workers.ts'
import type { PackedValue } from './packed-values.ts'

/** What a template asks of the cluster; an empty name: all objects of the kind. */
export interface LookupQuestion {
  readonly apiVersion: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

/** What a template asks of DNS. */
export interface HostQuestion {
  readonly host: string
}

export type Question = LookupQuestion | HostQuestion

/** `object` undefined: there is none. `error`: what the API server said instead. `addresses`: of a host, none where it has none. */
export interface Answer {
  readonly object?: Json | undefined
  readonly error?: string
  readonly addresses?: readonly string[]
}

export interface ChartInput {
  /** Path of the package, and `sha256:<hex>` of it. */
  readonly file: string
  readonly digest: string
  /** The version that the release shows: with the build metadata of the artifact. */
  readonly version: string
  readonly values: PackedValue
}

export interface RenderInput extends ChartInput {
  readonly release: ReleaseInfo
  readonly capabilities: Capabilities
  readonly skipSchemaValidation: boolean
  /** By `questionKey`. */
  readonly answers: ReadonlyMap<string, Answer>
  /** Templates may ask DNS. */
  readonly allowsDns: boolean
  readonly changes: Changes
  /** The chart's own values are left out of account for these: `upgrade.preserveValues`. */
  readonly chartValues?: PackedValue | undefined
}

/** What is changed about the rendered objects. */
export interface Changes extends Pick<HelmReleaseSpec, 'postRenderers' | 'postRenderStrategy' | 'commonMetadata'> {
  readonly owner: Key
}

export interface RenderOutput {
  /** What has to be looked up before the rest counts. */
  readonly questions: readonly Question[]
  /** Why it could not be rendered: final only without questions. */
  readonly error?: string
  readonly rendered?: {
    readonly manifest: string
    readonly hooks: readonly Hook[]
    readonly notes: string
    readonly warnings: readonly string[]
    /** JSON of a release with nothing but the chart. */
    readonly chart: string
  }
}

export const renderTask: Task<RenderInput, RenderOutput> = { name: 'helm/render' }
/** The documents of the crds folders of a chart and of the dependencies that these values leave in. */
export const crdsTask: Task<ChartInput, readonly KubeObject[]> = { name: 'helm/crds' }

export function questionKey(question: Question): string {
  if ('host' in question) return question.host
  const { apiVersion, kind, namespace, name } = question
  return JSON.stringify([apiVersion, kind, namespace, name])
}
