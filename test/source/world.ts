/** What a run of a source's loop sees: a real store, real threads, and an API server made of maps. */
import type { GitRepository, GitRepositorySpec } from '../../src/api/gitrepository.ts'
import type { Condition, FluxObject } from '../../src/api/meta.ts'
import type { ObjectRef } from '../../src/api/object.ts'
import { ApiError } from '../../src/kube/transport.ts'
import type { ArtifactStore } from '../../src/runtime/artifact-store.ts'
import { mergeConditions } from '../../src/runtime/conditions.ts'
import { type Flags, parseFlags } from '../../src/runtime/flags.ts'
import {
  type Cause,
  type ConditionState,
  type Context,
  type EventDraft,
  type Loop,
  type Outcome,
  Stalled,
  type StatusOf,
} from '../../src/runtime/reconcile.ts'
import { type TaskOptions, WorkerPool } from '../../src/runtime/workers.ts'
import { gitRepositoryLoop } from '../../src/source/gitrepository.ts'
import { ManualClock } from '../fakes/clock.ts'
import { keepingLogger, testStore } from '../runtime/artifact-fixtures.ts'

/** Shared by all worlds of a test file: a thread takes half a second to start. */
const pool = new WorkerPool(new URL('./worker.entry.ts', import.meta.url), { size: 1 })

export function closeThreads(): Promise<void> {
  return pool.close()
}

export interface Result<T extends FluxObject = GitRepository> {
  /** What was thrown; undefined when the run succeeded. */
  readonly error: (Error & { readonly reason?: string }) | undefined
  readonly outcome: Outcome<T> | undefined
  /** Those of the run, the outcome's last, as `severity reason: message`. */
  readonly events: readonly string[]
  readonly progress: readonly string[]
}

export interface RunOptions {
  readonly signal?: AbortSignal
  readonly causes?: readonly Cause[]
}

const never = new AbortController().signal

/** One object `apps/podinfo` and its loop. */
export class SourceWorld<T extends FluxObject> implements AsyncDisposable {
  readonly clock = new ManualClock()
  readonly log = keepingLogger()
  readonly store: ArtifactStore
  /** `<name>` → data as text. */
  readonly secrets = new Map<string, Readonly<Record<string, string | Uint8Array>>>()
  /** Those of the command line, as they are without one. */
  flags: Flags = defaultFlags()
  /** What runs see besides, such as informers. */
  environment: object = {}
  object: T
  readonly #loop: Loop<T>
  readonly #storage: Awaited<ReturnType<typeof testStore>>

  static async of<T extends FluxObject>(loop: Loop<T>, spec: T['spec']): Promise<SourceWorld<T>> {
    return new SourceWorld(await testStore(), loop, spec)
  }

  protected constructor(storage: Awaited<ReturnType<typeof testStore>>, loop: Loop<T>, spec: T['spec']) {
    this.#storage = storage
    this.#loop = loop
    this.store = storage.store
    const { apiVersion, kind } = loop.kind
    this.object = { apiVersion, kind, metadata: { namespace: 'apps', name: 'podinfo', generation: 1 }, spec } as T
  }

  get directory(): string {
    return this.#storage.directory
  }

  get status(): StatusOf<T> {
    return (this.object.status ?? {}) as StatusOf<T>
  }

  condition(type: string): Condition | undefined {
    return this.#conditions.find((condition) => condition.type === type)
  }

  edit(spec: Partial<T['spec']>): void {
    this.object = { ...this.object, spec: { ...this.object.spec, ...spec } }
  }

  /** One run; the status is written as the runtime would write it. */
  async run({ signal = never, causes = ['interval'] }: RunOptions = {}): Promise<Result<T>> {
    const events: EventDraft[] = []
    const progress: string[] = []
    const changes = new Map<string, ConditionState | undefined>()
    let status: object = this.status
    const set = (fields: object) => {
      status = withoutUndefined({ ...status, ...fields })
    }
    const context = {
      ...this.#environment(),
      key: { namespace: 'apps', name: 'podinfo' },
      causes: new Set(causes),
      signal,
      startedAt: this.clock.now(),
      progress: (message: string) => progress.push(message),
      set,
      record: async (fields: object) => set(fields),
      condition: (type: string, state: ConditionState | undefined) => changes.set(type, state),
      event: (event: EventDraft) => events.push(event),
    } as unknown as Context<T>

    const [outcome, error] = await this.#loop.reconcile(this.object, context).then(
      (value) => [value, undefined] as const,
      (thrown: Result['error']) => [undefined, thrown] as const,
    )
    if (outcome?.event) events.push(outcome.event)
    const ready: ConditionState = outcome
      ? { status: 'True', ...outcome.ready }
      : { status: 'False', reason: error?.reason ?? '', message: error?.message ?? '' }
    changes.set('Ready', ready)
    if (error instanceof Stalled) changes.set('Stalled', ready)
    const conditions = mergeConditions(this.#conditions, changes, { generation: 1, nowMs: this.clock.now() })
    this.object = { ...this.object, status: { ...status, conditions } }
    return { error, outcome, progress, events: events.map(({ severity, reason, message }) => `${severity} ${reason}: ${message}`) }
  }

  async finalize(): Promise<string[]> {
    const events: string[] = []
    const event = ({ severity, reason, message }: EventDraft) => events.push(`${severity} ${reason}: ${message}`)
    await this.#loop.finalize(this.object, { ...this.#environment(), event } as unknown as Context<T>)
    return events
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#storage[Symbol.asyncDispose]()
  }

  get #conditions(): readonly Condition[] {
    return this.object.status?.conditions ?? []
  }

  #environment() {
    return {
      artifacts: this.store,
      clock: this.clock,
      log: this.log,
      flags: this.flags,
      client: { get: async (ref: ObjectRef) => this.#secret(ref) },
      workers: { run: (task: { name: string }, input: object, options: TaskOptions) => pool.run(task, input, options) },
      ...this.environment,
    }
  }

  #secret({ name }: ObjectRef) {
    const data = this.secrets.get(name)
    if (!data) throw new ApiError(`secrets "${name}" not found`, { status: 404, reason: 'NotFound' })
    return { data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')])) }
  }
}

/** A GitRepository. */
export class World extends SourceWorld<GitRepository> {
  static async create(spec: Partial<GitRepositorySpec> & { url: string }): Promise<World> {
    return new World(await testStore(), gitRepositoryLoop, { interval: '10m', timeout: '60s', ...spec })
  }
}

function defaultFlags(): Flags {
  const command = parseFlags([], { RUNTIME_NAMESPACE: 'flux-system' })
  if (command.help !== undefined) throw new Error('no flags')
  return command.flags
}

function withoutUndefined<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T
}
