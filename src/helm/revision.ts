/** A revision of a release while an action works on it: each change is stored, and told. */
import type { Release, ReleaseRecord } from '../lib/chart/index.ts'
import { messageOf } from '../lib/errors.ts'
import { type ActionContext, ActionError } from './action.ts'
import { makeRoom } from './storage.ts'

const keptByDefault = 5

export class Revision {
  #release: Release
  readonly #context: ActionContext

  constructor(release: Release, context: ActionContext) {
    this.#release = release
    this.#context = context
  }

  get release(): Release {
    return this.#release
  }

  change(changes: Partial<Release>): void {
    this.#release = { ...this.#release, ...changes }
  }

  changeInfo(info: Partial<ReleaseRecord>): void {
    this.change({ info: { ...this.#release.info, ...info } })
  }

  async create(): Promise<void> {
    const { storage, spec, observed } = this.#context
    await makeRoom(storage, this.#release.name, spec.maxHistory ?? keptByDefault)
    await storage.create(this.#release)
    observed(this.#release)
  }

  async update(): Promise<void> {
    const { storage, observed } = this.#context
    await storage.update(this.#release)
    observed(this.#release)
  }

  /** Marks it as failed. What cannot even be stored is logged: what failed first is what people have to know. */
  async fail(description: string, error: unknown): Promise<ActionError> {
    this.changeInfo({ status: 'failed', description })
    try {
      await this.update()
    } catch (problem) {
      this.#context.log.error({ error: messageOf(problem) }, 'the failure of the release could not be recorded')
    }
    return new ActionError(messageOf(error), { cause: error, release: this.#release })
  }
}

/** RFC 3339 as Go prints it: without zeros at the end. */
export function timeText({ clock }: ActionContext): string {
  return new Date(clock.now()).toISOString().replace(/\.?0*Z$/, 'Z')
}

/** All other revisions that count as deployed are history now. */
export async function supersedeDeployed({ name, version }: Release, context: ActionContext): Promise<void> {
  for (const release of await context.storage.history(name)) {
    if (release.version === version || release.info.status !== 'deployed') continue
    const superseded = new Revision(release, context)
    superseded.changeInfo({ status: 'superseded' })
    await superseded.update()
  }
}

/** Whatever goes wrong before a revision is stored leaves nothing to remedy. */
export async function withoutRevision<R>(prefix: string, work: () => Promise<R>): Promise<R> {
  try {
    return await work()
  } catch (error) {
    throw new ActionError(`${prefix}${messageOf(error)}`, { cause: error })
  }
}
