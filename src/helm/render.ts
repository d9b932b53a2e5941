/** Renders releases in worker threads; what their templates look up is read with the release's identity. */
import type { HelmRelease } from '../api/helmrelease.ts'
import type { Client } from '../kube/client.ts'
import { mapPooled } from '../kube/pool.ts'
import { ApiError } from '../kube/transport.ts'
import { releaseFromJson } from '../lib/chart/release-decode.ts'
import { messageOf } from '../lib/errors.ts'
import { type Json, parseJson } from '../lib/json.ts'
import type { Workers } from '../runtime/workers.ts'
import type { Desired, Render, RenderedRelease } from './action.ts'
import { capabilitiesOf } from './capabilities.ts'
import { pack } from './packed-values.ts'
import {
  type Answer,
  type ChartInput,
  crdsTask,
  type Question,
  questionKey,
  type RenderInput,
  type RenderOutput,
  renderTask,
} from './render-task.ts'
import { releaseNameOf, releaseNamespaceOf } from './settings.ts'

export interface RenderParts {
  readonly client: Client
  readonly workers: Workers
  readonly signal: AbortSignal
  /** The addresses of a host, none where it has none. Without it templates do not learn of any. */
  readonly resolveHost?: (host: string) => Promise<readonly string[]>
}

/** Rendering once takes no longer than this, or its thread is ended. */
const timeoutMs = 120_000
/** Templates may look up what a lookup told them of; each round answers one more step. */
const mostRounds = 10
const requestsAtOnce = 8
/** What the templates of one chart may ask. */
const mostQuestions = 1_000

export function renderOf(hr: HelmRelease, parts: RenderParts): Render {
  const { client, workers, signal } = parts
  const { postRenderers, postRenderStrategy, commonMetadata } = hr.spec
  const changes = {
    owner: { namespace: hr.metadata.namespace, name: hr.metadata.name },
    ...(postRenderers && { postRenderers }),
    ...(postRenderStrategy && { postRenderStrategy }),
    ...(commonMetadata && { commonMetadata }),
  }
  return {
    crds: (desired) => workers.run(crdsTask, chartInput(desired), { signal, timeoutMs }),
    async release({ desired, revision, isUpgrade, skipSchemaValidation, chartValues }) {
      const release = { name: releaseNameOf(hr), namespace: releaseNamespaceOf(hr), revision, isUpgrade }
      const capabilities = await capabilitiesOf(client, signal)
      const allowsDns = parts.resolveHost !== undefined
      const input = { ...chartInput(desired), release, capabilities, skipSchemaValidation, changes, allowsDns }
      return finished(await inRounds({ ...input, ...(chartValues && { chartValues: pack(chartValues) }) }, parts))
    },
  }
}

function chartInput({ chart: { file, digest, metadata }, values }: Desired): ChartInput {
  return { file, digest, version: metadata.version, values: pack(values) }
}

async function inRounds(input: Omit<RenderInput, 'answers'>, parts: RenderParts): Promise<RenderOutput> {
  const { workers, signal } = parts
  const answers = new Map<string, Answer>()
  for (let round = 0; round < mostRounds; round++) {
    const output = await workers.run(renderTask, { ...input, answers }, { signal, timeoutMs })
    if (output.questions.length === 0) return output
    if (answers.size + output.questions.length > mostQuestions)
      throw new Error(`the templates look up more than ${mostQuestions} objects and hosts: look up lists instead`)
    await mapPooled(output.questions, { limit: requestsAtOnce, signal }, async (question) => {
      answers.set(questionKey(question), await answer(question, parts))
    })
  }
  throw new Error(`the templates look up objects that depend on each other more than ${mostRounds} deep`)
}

async function answer(question: Question, { client, signal, resolveHost }: RenderParts): Promise<Answer> {
  if ('host' in question) return { addresses: (await resolveHost?.(question.host)) ?? [] }
  const { apiVersion, kind, namespace, name } = question
  try {
    const inNamespace = namespace === '' ? {} : { namespace }
    if (name !== '')
      return { object: (await client.get({ apiVersion, kind, name, ...inNamespace }, { signal })) as unknown as Json }
    const { items, resourceVersion } = await client.list({ apiVersion, kind }, { ...inNamespace, signal })
    const list = { apiVersion, kind: `${kind}List`, metadata: { resourceVersion }, items }
    return { object: list as unknown as Json }
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof ApiError)) throw error
    return error.reason === 'NotFound' ? {} : { error: messageOf(error) }
  }
}

/** @throws Error with Helm's text. */
function finished({ rendered, error }: RenderOutput): RenderedRelease {
  if (!rendered) throw new Error(error ?? 'the chart was not rendered')
  const { chart } = releaseFromJson(parseJson(rendered.chart))
  return { ...rendered, chart }
}
