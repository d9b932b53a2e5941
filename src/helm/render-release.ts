/** Rendering a release in a worker thread: a package and values → what is stored and applied. */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { KubeObject } from '../api/object.ts'
import { crdsOf } from '../lib/chart/crds.ts'
import { processDependencies } from '../lib/chart/dependencies.ts'
import {
  Budget,
  type Chart,
  checkInstallable,
  type Environment,
  LimitError,
  loadChart,
  manifestOf,
  postRender,
  type RenderOptions,
  renderFiles,
  sortRendered,
} from '../lib/chart/index.ts'
import { releaseToJson } from '../lib/chart/release-encode.ts'
import { messageOf } from '../lib/errors.ts'
import type { Dict } from '../lib/gotemplate/value.ts'
import { readManifest } from './manifest.ts'
import { liveTable, unpackTable } from './packed-values.ts'
import { changed } from './postrender.ts'
import { type Answer, type ChartInput, type Question, questionKey, type RenderInput, type RenderOutput } from './render-task.ts'

/**
 * Renders a release. Questions that have no answer yet are answered with nothing and handed back: then neither what was rendered nor
 * an error counts.
 * @throws LimitError, and what reading the package throws.
 */
export async function renderRelease(input: RenderInput): Promise<RenderOutput> {
  const chart = await chartOf(input)
  const questions = new Map<string, Question>()
  const ask = (question: Question): Answer | undefined => {
    const answer = input.answers.get(questionKey(question))
    if (!answer) questions.set(questionKey(question), question)
    if (answer?.error !== undefined) throw new Error(answer.error)
    return answer
  }
  const lookup = (apiVersion: string, kind: string, namespace: string, name: string): Dict => {
    const object = ask({ apiVersion, kind, namespace, name })?.object
    return object === undefined ? new Map() : liveTable(object)
  }
  const resolveHost = (host: string): readonly string[] => ask({ host })?.addresses ?? ['']
  try {
    const rendered = await renderWith(chart, input, { lookup, ...(input.allowsDns && { resolveHost }) })
    return { questions: [...questions.values()], rendered }
  } catch (error) {
    if (error instanceof LimitError) throw error
    return { questions: [...questions.values()], error: messageOf(error) }
  }
}

async function renderWith(
  chart: Chart,
  { values: packed, release, capabilities, skipSchemaValidation, changes, chartValues }: RenderInput,
  answers: Pick<RenderOptions, 'lookup' | 'resolveHost'>,
): Promise<NonNullable<RenderOutput['rendered']>> {
  checkInstallable(chart)
  const values = unpackTable(packed)
  const based = chartValues === undefined ? chart : { ...chart, values: unpackTable(chartValues) }
  const files = renderFiles(based, values, release, capabilities, { environment: environment(), skipSchemaValidation, ...answers })
  const strategy = changes.postRenderStrategy ?? 'combined'
  const rendered = sortRendered(await postRender(files, (documents) => changed(documents, changes), { strategy }))
  const { hooks, notes, warnings } = rendered
  return { manifest: manifestOf(rendered), hooks, notes, warnings, chart: chartJson(rendered.chart) }
}

/** Of every document in the crds folders; also of those that are no CRDs. @throws BuildError */
export async function readCrds(input: ChartInput): Promise<readonly KubeObject[]> {
  const chart = processDependencies(await chartOf(input), unpackTable(input.values))
  return crdsOf(chart).flatMap(({ data }) => readManifest({ manifest: Buffer.from(data).toString() }))
}

function chartJson(chart: Chart): string {
  const info = { status: 'unknown' } as const
  return releaseToJson({ name: '', namespace: '', version: 0, info, chart, config: new Map(), manifest: '', hooks: [] }, 'helm4')
}

const mostCharts = 8
/** By digest; the one used longest ago first. */
const charts = new Map<string, Chart>()

async function chartOf({ file, digest, version }: ChartInput): Promise<Chart> {
  const chart = charts.get(digest) ?? loadChart({ archive: await readFile(file) })
  charts.delete(digest)
  charts.set(digest, chart)
  const [oldest] = charts.keys()
  if (charts.size > mostCharts && oldest !== undefined) charts.delete(oldest)
  return { ...chart, metadata: { ...chart.metadata, version } }
}

/** Of the containers of a controller: their zone is UTC. */
function environment(): Environment {
  return { now: () => Date.now(), random: randomBytes, zone: 'UTC', budget: new Budget() }
}
