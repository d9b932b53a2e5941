/** Drafts the status of one object during a run, and writes the smallest patch that makes it so. */
import { type Condition, conditionOf, type FluxObject } from '../api/meta.ts'
import { displayName, refOf } from '../api/object.ts'
import type { Client } from '../kube/client.ts'
import { ApiError } from '../kube/transport.ts'
import { messageOf } from '../lib/errors.ts'
import type { Clock } from './clock.ts'
import { type ConditionChanges, mergeConditions } from './conditions.ts'
import type { ConditionState } from './reconcile.ts'

export interface StatusWriter<T extends FluxObject> {
  readonly client: Client
  readonly clock: Clock
  /** `gotk-kustomize-controller`. */
  readonly fieldManager: string
  /** Called with the API server's answer to each write. */
  written(object: T): void
  /** Writes are refused once it is aborted: another process may hold the lease. */
  readonly signal: AbortSignal
}

/** The status could not be written. Nothing is said about the work itself. */
export class StatusError extends Error {
  override readonly name = 'StatusError'
}

/** The object is gone, or another one has its name. */
export class Vanished extends Error {
  override readonly name = 'Vanished'
}

const mostConflicts = 8

export class StatusDraft<T extends FluxObject> {
  readonly #writer: StatusWriter<T>
  readonly #generation: number | undefined
  readonly #fields = new Map<string, unknown>()
  readonly #conditions = new Map<string, ConditionState | undefined>()
  /** The object as last read or written: what patches are made against. */
  #base: T
  #lastWrite: Promise<unknown> = Promise.resolve()

  constructor(base: T, writer: StatusWriter<T>) {
    this.#base = base
    this.#writer = writer
    this.#generation = base.metadata.generation
  }

  get object(): T {
    return this.#base
  }

  /** Sets fields; `undefined` removes one. */
  set(status: object): void {
    for (const [field, value] of Object.entries(status)) this.#fields.set(field, value)
  }

  condition(type: string, state: ConditionState | undefined): void {
    this.#conditions.set(type, state)
  }

  conditions(changes: ConditionChanges): void {
    for (const [type, state] of changes) this.#conditions.set(type, state)
  }

  /** A condition as the draft has it now. */
  state(type: string): ConditionState | undefined {
    return this.#conditions.has(type) ? this.#conditions.get(type) : conditionOf(this.#base, type)
  }

  /** Whether any of these fields of the draft differs from the object. */
  differs(fields: readonly string[]): boolean {
    const before = new Map(Object.entries({ ...this.#base.status }))
    return fields.some((field) => mergeDiff(before.get(field), this.#fields.get(field)) !== unchanged)
  }

  /**
   * Writes what differs from the object, if anything does. Conflicts are resolved on fresh data: our fields and conditions win, those of
   * others stay.
   * @throws Vanished when the object is gone, StatusError when the write fails.
   */
  write(): Promise<void> {
    const write = this.#lastWrite.then(() => this.#write())
    this.#lastWrite = write.catch(() => {})
    return write
  }

  /** Resolves when nothing is being written. */
  async idle(): Promise<void> {
    await this.#lastWrite
  }

  async #write(): Promise<void> {
    for (let conflicts = 0; ; conflicts++) {
      const patch = this.patch()
      if (!patch) return
      try {
        this.#writer.signal.throwIfAborted()
        this.#base = await this.#writer.client.mergePatch<T>(refOf(this.#base), patch, {
          fieldManager: this.#writer.fieldManager,
          subresource: 'status',
        })
        this.#writer.written(this.#base)
        return
      } catch (error) {
        await this.#recover(error, conflicts)
      }
    }
  }

  async #recover(error: unknown, conflicts: number): Promise<void> {
    const ref = refOf(this.#base)
    const isConflict = error instanceof ApiError && error.status === 409
    if (error instanceof ApiError && error.status === 404) throw new Vanished(`${displayName(ref)} is gone`)
    if (!isConflict || conflicts >= mostConflicts)
      throw new StatusError(`failed to update the status of ${displayName(ref)}: ${messageOf(error)}`, { cause: error })
    const fresh = await this.#writer.client.find<T>(ref).catch((cause) => {
      throw new StatusError(`failed to read ${displayName(ref)} after a conflict: ${messageOf(cause)}`, { cause })
    })
    if (fresh?.metadata.uid !== this.#base.metadata.uid || !fresh) throw new Vanished(`${displayName(ref)} is gone`)
    this.#base = fresh
  }

  /** The merge patch that turns the object's status into the draft; undefined when there is nothing to change. */
  patch(): object | undefined {
    const before: Readonly<Record<string, unknown>> = { ...this.#base.status }
    const status = Object.create(null) as Record<string, unknown>
    for (const [field, value] of this.#fields) {
      const change = mergeDiff(before[field], value)
      if (change !== unchanged) status[field] = change
    }
    const conditions = this.#changedConditions()
    if (conditions) status.conditions = conditions
    if (Object.keys(status).length === 0) return undefined
    const { uid, resourceVersion } = this.#base.metadata
    return { metadata: { uid, resourceVersion }, status }
  }

  #changedConditions(): readonly Condition[] | undefined {
    if (this.#conditions.size === 0) return undefined
    const before = this.#base.status?.conditions ?? []
    const after = mergeConditions(before, this.#conditions, { generation: this.#generation, nowMs: this.#writer.clock.now() })
    return mergeDiff(before, after) === unchanged ? undefined : after
  }
}

const unchanged = Symbol('unchanged')

/** The JSON merge patch (RFC 7396) from one value to another; lists are replaced whole. */
function mergeDiff(before: unknown, after: unknown): unknown {
  if (after === undefined || after === null) return before === undefined || before === null ? unchanged : null
  if (isPlainObject(before) && isPlainObject(after)) return objectDiff(before, after)
  return isSame(before, after) ? unchanged : after
}

function objectDiff(before: object, after: object): unknown {
  const patch = Object.create(null) as Record<string, unknown>
  const old = new Map(Object.entries(before))
  for (const [key, value] of Object.entries(after)) {
    const change = mergeDiff(old.get(key), value)
    if (change !== unchanged) patch[key] = change
    old.delete(key)
  }
  for (const key of old.keys()) patch[key] = null
  return Object.keys(patch).length > 0 ? patch : unchanged
}

function isSame(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => isSame(item, b[i]))
  if (isPlainObject(a) && isPlainObject(b)) return objectDiff(a, b) === unchanged
  return a === b
}

function isPlainObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
