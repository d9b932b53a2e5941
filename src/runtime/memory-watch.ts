/**
 * The gate OOMWatch: stops the process in good time, before the kernel kills it in the middle of something.
 * Source: helm-controller internal/oomwatch.
 */
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../lib/errors.ts'
import type { Clock } from './clock.ts'
import type { Logger } from './log.ts'

export interface MemoryWatchOptions {
  /** File with the limit, in bytes; empty: that of the container's cgroup. */
  readonly limitPath: string
  /** File with what is in use, in bytes; empty: as `limitPath`. */
  readonly usagePath: string
  /** Percentage of the limit at which it is over. */
  readonly threshold: number
  readonly intervalMs: number
  readonly clock: Clock
  readonly log: Logger
}

/** Below /sys/fs/cgroup: of version 2, then of version 1. */
const limitFiles = ['memory.max', 'memory/memory.limit_in_bytes']
const usageFiles = ['memory.current', 'memory/memory.usage_in_bytes']

export class MemoryWatch implements Disposable {
  /** Aborted when too much is in use. */
  readonly signal: AbortSignal
  readonly #ended = new AbortController()
  readonly #options: MemoryWatchOptions
  readonly #limitBytes: number
  #cancel: () => void = () => {}
  #isStopped = false

  /** @throws Error naming the file that is not there, or says no number: without a limit there is nothing to watch. */
  static async start(options: MemoryWatchOptions): Promise<MemoryWatch> {
    const limitPath = options.limitPath || (await cgroupFile(limitFiles, '--oom-watch-max-memory-path'))
    const usagePath = options.usagePath || (await cgroupFile(usageFiles, '--oom-watch-current-memory-path'))
    const [limitBytes] = [await readBytes(limitPath), await readBytes(usagePath)]
    const watch = new MemoryWatch({ ...options, limitPath, usagePath }, limitBytes)
    watch.#later()
    return watch
  }

  private constructor(options: MemoryWatchOptions, limitBytes: number) {
    this.#options = options
    this.#limitBytes = limitBytes
    this.signal = this.#ended.signal
  }

  [Symbol.dispose](): void {
    this.#isStopped = true
    this.#cancel()
  }

  #later(): void {
    if (this.#isStopped) return
    const { clock, intervalMs } = this.#options
    this.#cancel = clock.after(intervalMs, () => void this.#look())
  }

  async #look(): Promise<void> {
    const { usagePath, threshold, log } = this.#options
    try {
      const usedBytes = await readBytes(usagePath)
      if ((usedBytes / this.#limitBytes) * 100 >= threshold) {
        log.error({ usedBytes, limitBytes: this.#limitBytes }, 'memory is nearly used up, shutting down')
        this.#ended.abort(new Error('memory is nearly used up'))
        return
      }
    } catch (error) {
      log.error({ error: messageOf(error) }, 'the use of memory could not be read')
    }
    this.#later()
  }
}

async function cgroupFile(names: readonly string[], flag: string): Promise<string> {
  for (const name of names) {
    const path = join('/sys/fs/cgroup', name)
    const exists = await access(path).then(
      () => true,
      () => false,
    )
    if (exists) return path
  }
  throw new Error(`feature gate OOMWatch: no file of a cgroup tells about memory: set ${flag}`)
}

async function readBytes(path: string): Promise<number> {
  const text = (await readFile(path, 'utf8')).trim()
  if (/^\d+$/.test(text)) return Number(text)
  throw new Error(
    `feature gate OOMWatch: ${path} holds ${JSON.stringify(text.slice(0, 40))}: it takes a memory limit of the container`,
  )
}
