/** What the newest revision of each release was found to be, so that a release that nobody has touched is not read and verified again. */
import { type Key, keyText } from '../api/object.ts'
import type { LastRevision } from './plan.ts'

interface Seen {
  readonly mark: string
  /** Of the snapshot that it was compared with. */
  readonly digest: string | undefined
  readonly last: LastRevision
}

export class SeenRevisions {
  readonly #seen = new Map<string, Seen>()

  /** `mark` is that of the stored revision, `digest` that of the snapshot that it is compared with. */
  find(owner: Key, { mark, digest }: Omit<Seen, 'last'>): LastRevision | undefined {
    const seen = this.#seen.get(keyText(owner))
    return seen?.mark === mark && seen.digest === digest ? seen.last : undefined
  }

  remember(owner: Key, seen: Seen): void {
    this.#seen.set(keyText(owner), seen)
  }

  forget(owner: Key): void {
    this.#seen.delete(keyText(owner))
  }
}
