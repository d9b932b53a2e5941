/**
 * A pool of worker threads for pure, heavy functions. A thread runs several tasks at once, so that one that waits for the network does
 * not block one that builds; a thread that crashes or runs away costs the task that did it, never its neighbours.
 */
import { availableParallelism } from 'node:os'
import { parentPort, type ResourceLimits, Worker } from 'node:worker_threads'
import type { PoolReading } from './readings.ts'

/** A function that runs in the pool, known to both sides by its name. `worker.ts` maps names to functions. */
export interface Task<In, Out> {
  readonly name: string
  /** Set where it mostly waits for hosts that others run: however many of those hang, tasks that compute go on. */
  readonly network?: true
  /** Never set: carries the types. */
  readonly types?: readonly [In, Out]
}

export interface TaskOptions {
  readonly signal?: AbortSignal
  /** After this the thread is ended: a runaway task cannot be stopped otherwise. */
  readonly timeoutMs?: number
}

export interface Workers {
  /** Runs a task; input and output are structured clones. Errors keep message, name and own fields. */
  run<In, Out>(task: Task<In, Out>, input: In, options?: TaskOptions): Promise<Out>
  close(): Promise<void>
}

/** What a task function is given besides its input. */
export interface TaskContext {
  readonly signal: AbortSignal
}

export type TaskFunction<In, Out> = (input: In, context: TaskContext) => Promise<Out> | Out

/** Tasks by name: each function checks its own input, which arrives as the structured clone of what `run` was given. */
export type TaskTable = Readonly<Record<string, TaskFunction<never, unknown>>>

export interface WorkerPoolOptions {
  /** Threads, started when they are needed; as many as there are cores besides the main thread's, at most 4. */
  readonly size?: number
  /** Tasks that one thread runs at a time: so many that compute, and so many again that wait for the network. */
  readonly tasksPerThread?: number
  /** Tasks that may wait for a thread; more are refused. */
  readonly queueLimit?: number
  readonly resourceLimits?: ResourceLimits
  /** Told of each task that ended, with the time since it was asked for. */
  readonly onFinished?: (task: string, result: TaskResult, durationMs: number) => void
}

export type TaskResult = 'success' | 'error' | 'aborted'

/** A task could not be run: too many are waiting, its thread crashed twice, it ran out of time, or the pool is closed. */
export class WorkerError extends Error {
  override readonly name = 'WorkerError'
}

interface Job {
  readonly id: number
  readonly task: string
  readonly network: boolean
  readonly input: unknown
  readonly options: TaskOptions
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  /** Its thread crashed once: it runs alone now, so that a second crash tells who is at fault. */
  readonly suspect: boolean
  thread: Thread | undefined
  timer: NodeJS.Timeout | undefined
}

interface Thread {
  readonly worker: Worker
  readonly jobs: Map<number, Job>
}

interface WireError {
  readonly name: string
  readonly message: string
  readonly stack?: string | undefined
  readonly fields: object
  readonly cause?: WireError | undefined
}

type ToThread =
  | { readonly type: 'run'; readonly id: number; readonly task: string; readonly input: unknown }
  | { readonly type: 'abort'; readonly id: number }

type FromThread =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly error: WireError }

/**
 * A small young generation costs a little time and saves 30 MiB a thread. Templates of charts may include each other a thousand deep,
 * as with Helm: that takes more stack than the 4 MiB that threads have else.
 */
const threadMemory: ResourceLimits = { maxOldGenerationSizeMb: 1024, maxYoungGenerationSizeMb: 16, stackSizeMb: 16 }

function spareCores(): number {
  return Math.min(4, Math.max(1, availableParallelism() - 1))
}

/** The pool. `entry` is the module that each thread runs: it calls `serveTasks`. */
export class WorkerPool implements Workers {
  readonly #entry: URL
  readonly #options: Required<WorkerPoolOptions>
  readonly #threads = new Set<Thread>()
  readonly #waiting: Job[] = []
  #lastId = 0
  #closed = false

  constructor(entry: URL, options: WorkerPoolOptions = {}) {
    this.#entry = entry
    const defaults = { size: spareCores(), tasksPerThread: 8, queueLimit: 10_000, resourceLimits: threadMemory }
    this.#options = { ...defaults, onFinished() {}, ...options }
  }

  /** Starts a thread before the first task asks for one: loading its programs takes longer than most tasks. */
  warm(): void {
    if (!this.#closed && this.#threads.size === 0) this.#spawn()
  }

  /** For the metrics. */
  reading(): PoolReading {
    const running = [...this.#threads].reduce((sum, { jobs }) => sum + jobs.size, 0)
    return { threads: this.#threads.size, running, waiting: this.#waiting.length }
  }

  /** @throws WorkerError when the pool cannot run it, `signal.reason` when aborted, else what the task threw. */
  async run<In, Out>(task: Task<In, Out>, input: In, options: TaskOptions = {}): Promise<Out> {
    const startedMs = performance.now()
    let result: TaskResult = 'error'
    try {
      const output = await this.#run(task, input, options)
      result = 'success'
      return output
    } catch (error) {
      if (options.signal?.aborted) result = 'aborted'
      throw error
    } finally {
      this.#options.onFinished(task.name, result, performance.now() - startedMs)
    }
  }

  #run<In, Out>(task: Task<In, Out>, input: In, options: TaskOptions): Promise<Out> {
    return new Promise<unknown>((resolve, reject) => {
      options.signal?.throwIfAborted()
      if (this.#closed) throw new WorkerError(`task ${task.name} was not run: the worker pool is closed`)
      if (this.#waiting.length >= this.#options.queueLimit)
        throw new WorkerError(`task ${task.name} was not run: ${this.#waiting.length} tasks are waiting already`)
      this.#admit({
        id: ++this.#lastId,
        task: task.name,
        network: task.network ?? false,
        input,
        options,
        resolve,
        reject,
        suspect: false,
        thread: undefined,
        timer: undefined,
      })
    }) as Promise<Out>
  }

  async close(): Promise<void> {
    this.#closed = true
    const left = [...this.#waiting.splice(0), ...[...this.#threads].flatMap((thread) => [...thread.jobs.values()])]
    for (const job of left)
      this.#settle(job, () => job.reject(new WorkerError(`task ${job.task} was ended: the worker pool is closed`)))
    await Promise.all([...this.#threads].map((thread) => thread.worker.terminate()))
  }

  #admit(job: Job): void {
    const { signal } = job.options
    const abort = () => this.#abort(job)
    const settled = () => signal?.removeEventListener('abort', abort)
    signal?.addEventListener('abort', abort, { once: true })
    this.#waiting.push({
      ...job,
      resolve(value) {
        settled()
        job.resolve(value)
      },
      reject(error) {
        settled()
        job.reject(error)
      },
    })
    this.#dispatch()
  }

  #dispatch(): void {
    for (const network of [false, true]) while (this.#startNext(network));
  }

  /** Starts the first of its sort that waits, where a thread has room; nobody overtakes one that must run alone. */
  #startNext(network: boolean): boolean {
    const [first] = this.#waiting
    const next = first?.suspect ? first : this.#waiting.find((job) => job.network === network)
    const thread = next && this.#threadFor(next)
    if (!thread) return false
    this.#waiting.splice(this.#waiting.indexOf(next), 1)
    this.#start(next, thread)
    return true
  }

  #threadFor(job: Job): Thread | undefined {
    const open = [...this.#threads].filter((thread) => !hasSuspect(thread))
    const idlest = open.toSorted((a, b) => lanesOf(a, job) - lanesOf(b, job) || a.jobs.size - b.jobs.size)[0]
    if (idlest?.jobs.size === 0) return idlest
    if (this.#threads.size < this.#options.size) return this.#spawn()
    if (job.suspect || !idlest || lanesOf(idlest, job) >= this.#options.tasksPerThread) return undefined
    return idlest
  }

  #start(job: Job, thread: Thread): void {
    const { timeoutMs } = job.options
    job.thread = thread
    thread.jobs.set(job.id, job)
    if (timeoutMs !== undefined) job.timer = setTimeout(() => this.#expire(job, timeoutMs), timeoutMs)
    try {
      thread.worker.postMessage({ type: 'run', id: job.id, task: job.task, input: job.input } satisfies ToThread)
    } catch (error) {
      this.#settle(job, () => job.reject(error)) // the input cannot be cloned
    }
  }

  #spawn(): Thread {
    const worker = new Worker(this.#entry, { resourceLimits: this.#options.resourceLimits })
    const thread: Thread = { worker, jobs: new Map() }
    this.#threads.add(thread)
    worker.on('message', (message: FromThread) => this.#answered(thread, message))
    worker.on('error', (error) => this.#crashed(thread, error))
    worker.on('exit', (code) => this.#crashed(thread, new Error(`exit code ${code}`)))
    return thread
  }

  #answered(thread: Thread, message: FromThread): void {
    const job = thread.jobs.get(message.id)
    if (job) this.#settle(job, () => (message.ok ? job.resolve(message.value) : job.reject(rebuilt(message.error))))
    this.#dispatch()
  }

  #abort(job: Job): void {
    const position = this.#waiting.findIndex((waiting) => waiting.id === job.id)
    if (position >= 0) this.#waiting.splice(position, 1)
    for (const thread of this.#threads) {
      if (!thread.jobs.has(job.id)) continue
      thread.worker.postMessage({ type: 'abort', id: job.id } satisfies ToThread)
    }
    // The thread's lane stays taken until the task has really ended; the caller does not wait for that.
    job.reject(job.options.signal?.reason)
  }

  #expire(job: Job, timeoutMs: number): void {
    const thread = job.thread
    this.#settle(job, () => job.reject(new WorkerError(`task ${job.task} did not end within ${timeoutMs} ms`)))
    if (thread) this.#retire(thread, (other) => this.#retryAlone(other, 'a neighbour ran out of time'))
  }

  #crashed(thread: Thread, error: Error): void {
    this.#retire(thread, (job) => this.#retryAlone(job, error.message))
  }

  /** Ends a thread and deals with the tasks that it was running. */
  #retire(thread: Thread, each: (job: Job) => void): void {
    if (!this.#threads.delete(thread)) return
    const jobs = [...thread.jobs.values()]
    thread.worker.removeAllListeners()
    thread.worker.on('error', () => {}) // it is being ended: what it still says is of no interest
    void thread.worker.terminate()
    for (const job of jobs) each(job)
    if (!this.#closed) this.#dispatch()
  }

  #retryAlone(job: Job, why: string): void {
    clearTimeout(job.timer)
    if (job.options.signal?.aborted) return
    if (job.suspect || this.#closed) job.reject(new WorkerError(`task ${job.task} lost its thread: ${why}`))
    else this.#waiting.unshift({ ...job, suspect: true, thread: undefined })
  }

  #settle(job: Job, how: () => void): void {
    clearTimeout(job.timer)
    job.thread?.jobs.delete(job.id)
    how()
  }
}

/** How many tasks of the job's sort a thread runs. */
function lanesOf({ jobs }: Thread, { network }: Job): number {
  return [...jobs.values()].filter((job) => job.network === network).length
}

function hasSuspect(thread: Thread): boolean {
  return thread.jobs.values().some((job) => job.suspect)
}

/** The thread's side: answers the pool's requests with the functions of the table. Called once, by the thread's entry module. */
export function serveTasks(tasks: TaskTable): void {
  const port = parentPort
  if (!port) throw new Error('serveTasks is for worker threads: there is no parent to answer to')
  const known = new Map(Object.entries(tasks))
  const running = new Map<number, AbortController>()

  port.on('message', (message: ToThread) => {
    if (message.type === 'abort') {
      running.get(message.id)?.abort()
      return
    }
    const abort = new AbortController()
    running.set(message.id, abort)
    void perform(known, message, abort.signal)
      .then(
        (value) => port.postMessage({ id: message.id, ok: true, value } satisfies FromThread),
        (error) => port.postMessage({ id: message.id, ok: false, error: wireError(error) } satisfies FromThread),
      )
      // the value cannot be cloned
      .catch((error) => port.postMessage({ id: message.id, ok: false, error: wireError(error) } satisfies FromThread))
      .finally(() => running.delete(message.id))
  })
}

async function perform(
  tasks: ReadonlyMap<string, TaskFunction<never, unknown>>,
  run: ToThread & { type: 'run' },
  signal: AbortSignal,
) {
  const task = tasks.get(run.task)
  if (!task) throw new WorkerError(`no task ${run.task} is known to the worker thread`)
  return await task(run.input as never, { signal })
}

const deepestCause = 4

function wireError(thrown: unknown, depth = 0): WireError {
  if (!(thrown instanceof Error)) return { name: 'Error', message: String(thrown), fields: {} }
  const fields = Object.fromEntries(Object.entries(thrown).filter(([key, value]) => key !== 'name' && isCloneable(value)))
  const cause = thrown.cause !== undefined && depth < deepestCause ? wireError(thrown.cause, depth + 1) : undefined
  return { name: thrown.name, message: thrown.message, stack: thrown.stack, fields, cause }
}

function isCloneable(value: unknown): boolean {
  try {
    structuredClone(value)
    return true
  } catch {
    return false
  }
}

function rebuilt(wire: WireError): Error {
  const error = new Error(wire.message, wire.cause && { cause: rebuilt(wire.cause) })
  Object.defineProperty(error, 'name', { value: wire.name, configurable: true })
  if (wire.stack !== undefined) Object.defineProperty(error, 'stack', { value: wire.stack, configurable: true, writable: true })
  return Object.assign(error, wire.fields)
}
