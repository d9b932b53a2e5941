/** Reading manifests and charts, as the main thread sees it: the work is done in `manifest.ts`, in a worker. */
import type { KubeObject } from '../api/object.ts'
import type { Metadata } from '../lib/chart/index.ts'
import type { Task } from '../runtime/workers.ts'

/** What a release stores as its manifest. */
export const manifestTask: Task<{ readonly manifest: string }, readonly KubeObject[]> = { name: 'helm/manifest' }

/** Apart from hooks and lists, what an inventory needs of an object. */
export type ObjectHead = Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'>

/** What the loop must know of a chart. */
export interface ChartHead {
  readonly metadata: Metadata
  /** Of the crds folders of the chart and its dependencies. */
  readonly crds: readonly ObjectHead[]
}

export const chartTask: Task<{ readonly file: string }, ChartHead> = { name: 'helm/chart' }
export const headsTask: Task<{ readonly manifest: string }, readonly ObjectHead[]> = { name: 'helm/heads' }
