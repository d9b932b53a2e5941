/** What is remembered of charts: their Chart.yaml and CRDs, by the digest of their file. */
import type { Artifact } from '../api/meta.ts'
import type { Artifacts } from '../runtime/artifacts.ts'
import type { Workers } from '../runtime/workers.ts'
import { type ChartHead, chartTask } from './manifest-task.ts'

export interface Loading {
  readonly artifacts: Artifacts
  readonly workers: Workers
  readonly signal: AbortSignal
}

const mostHeads = 1_000
const timeoutMs = 60_000

export class ChartHeads {
  /** The one used longest ago first. */
  readonly #heads = new Map<string, ChartHead>()

  known({ digest }: Artifact): ChartHead | undefined {
    const head = this.#heads.get(digest)
    if (!head) return undefined
    this.#heads.delete(digest)
    this.#heads.set(digest, head)
    return head
  }

  /** @throws what `borrow` throws, and Error with Helm's text for what is no chart. */
  async of(artifact: Artifact, { artifacts, workers, signal }: Loading): Promise<ChartHead> {
    await using borrowed = await artifacts.borrow(artifact, signal)
    const head = await workers.run(chartTask, { file: borrowed.file }, { signal, timeoutMs })
    this.#heads.set(artifact.digest, head)
    const [oldest] = this.#heads.keys()
    if (this.#heads.size > mostHeads && oldest !== undefined) this.#heads.delete(oldest)
    return head
  }
}
