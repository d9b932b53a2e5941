/** A pool of worker threads for pure, heavy functions. */

/** A function that runs in the pool, known to both sides by its name. `worker.ts` maps names to functions. */
export interface Task<In, Out> {
  readonly name: string
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
