/** What a run of the GitRepository loop sees: a real store, real threads, a real Git server, and an API server made of maps. */
import type { GitRepository, GitRepositorySpec, GitRepositoryStatus } from '../../src/api/gitrepository.ts'
import type { Condition } from '../../src/api/meta.ts'
import type { ObjectRef } from '../../src/api/object.ts'
import { ApiError } from '../../src/kube/transport.ts'
import type { ArtifactStore } from '../../src/runtime/artifact-store.ts'
import { mergeConditions } from '../../src/runtime/conditions.ts'
import { type ConditionState, type Context, type EventDraft, type Outcome, Stalled } from '../../src/runtime/reconcile.ts'
import { type TaskOptions, WorkerPool } from '../../src/runtime/workers.ts'
import { gitRepositoryLoop } from '../../src/source/gitrepository.ts'
import { ManualClock } from '../fakes/clock.ts'
import { keepingLogger, testStore } from '../runtime/artifact-fixtures.ts'

/** Shared by all worlds of a test file: a thread takes half a second to start. */
const pool = new WorkerPool(new URL('./worker.entry.ts', import.meta.url), { size: 1 })

export function closeThreads(): Promise<void> {
  return pool.close()
}

export interface Result {
  /** What was thrown; undefined when the run succeeded. */
  readonly error: (Error & { readonly reason?: string }) | undefined
  readonly outcome: Outcome<GitRepository> | undefined
  /** Those of the run, the outcome's last, as `severity reason: message`. */
  readonly events: readonly string[]
  readonly progress: readonly string[]
}

export class World implements AsyncDisposable {
  readonly clock = new ManualClock()
  readonly log = keepingLogger()
  readonly store: ArtifactStore
  /** `<name>` → data as text. */
  readonly secrets = new Map<string, Readonly<Record<string, string>>>()
  object: GitRepository
  readonly #storage: Awaited<ReturnType<typeof testStore>>

  static async create(spec: Partial<GitRepositorySpec> & { url: string }): Promise<World> {
    return new World(await testStore(), spec)
  }

  private constructor(storage: Awaited<ReturnType<typeof testStore>>, spec: Partial<GitRepositorySpec> & { url: string }) {
    this.#storage = storage
    this.store = storage.store
    this.object = {
      apiVersion: 'source.toolkit.fluxcd.io/v1',
      kind: 'GitRepository',
      metadata: { namespace: 'apps', name: 'podinfo', generation: 1 },
      spec: { interval: '10m', timeout: '60s', ...spec },
    }
  }

  get directory(): string {
    return this.#storage.directory
  }

  get status(): GitRepositoryStatus {
    return this.object.status ?? {}
  }

  condition(type: string): Condition | undefined {
    return this.status.conditions?.find((condition) => condition.type === type)
  }

  edit(spec: Partial<GitRepositorySpec>): void {
    this.object = { ...this.object, spec: { ...this.object.spec, ...spec } }
  }

  /** One run; the status is written as the runtime would write it. */
  async run(signal = new AbortController().signal): Promise<Result> {
    const events: EventDraft[] = []
    const progress: string[] = []
    const changes = new Map<string, ConditionState | undefined>()
    let status: GitRepositoryStatus = this.status
    const set = (fields: object) => {
      status = withoutUndefined({ ...status, ...fields })
    }
    const context = {
      ...this.#environment(),
      key: { namespace: 'apps', name: 'podinfo' },
      causes: new Set(['interval']),
      signal,
      startedAt: this.clock.now(),
      progress: (message: string) => progress.push(message),
      set,
      record: async (fields: object) => set(fields),
      condition: (type: string, state: ConditionState | undefined) => changes.set(type, state),
      event: (event: EventDraft) => events.push(event),
    } as unknown as Context<GitRepository>

    const [outcome, error] = await gitRepositoryLoop.reconcile(this.object, context).then(
      (value) => [value, undefined] as const,
      (thrown: Result['error']) => [undefined, thrown] as const,
    )
    if (outcome?.event) events.push(outcome.event)
    const ready: ConditionState = outcome
      ? { status: 'True', ...outcome.ready }
      : { status: 'False', reason: error?.reason ?? '', message: error?.message ?? '' }
    changes.set('Ready', ready)
    if (error instanceof Stalled) changes.set('Stalled', ready)
    const conditions = mergeConditions(this.status.conditions ?? [], changes, { generation: 1, nowMs: this.clock.now() })
    this.object = { ...this.object, status: { ...status, conditions } }
    return { error, outcome, progress, events: events.map(({ severity, reason, message }) => `${severity} ${reason}: ${message}`) }
  }

  async finalize(): Promise<string[]> {
    const events: string[] = []
    const event = ({ severity, reason, message }: EventDraft) => events.push(`${severity} ${reason}: ${message}`)
    await gitRepositoryLoop.finalize(this.object, { ...this.#environment(), event } as unknown as Context<GitRepository>)
    return events
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#storage[Symbol.asyncDispose]()
  }

  #environment() {
    return {
      artifacts: this.store,
      clock: this.clock,
      log: this.log,
      client: { get: async (ref: ObjectRef) => this.#secret(ref) },
      workers: { run: (task: { name: string }, input: object, options: TaskOptions) => pool.run(task, input, options) },
    }
  }

  #secret({ name }: ObjectRef) {
    const data = this.secrets.get(name)
    if (!data) throw new ApiError(`secrets "${name}" not found`, { status: 404, reason: 'NotFound' })
    return { data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')])) }
  }
}

function withoutUndefined<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T
}
