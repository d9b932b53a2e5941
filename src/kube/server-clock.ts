/** What time it is at the API server, at least. */
import type { Clock } from './applier.ts'
import type { Client } from './client.ts'

/** API servers of one cluster may disagree by so much, and times have whole seconds. */
const toleranceSeconds = 2

/**
 * A lower bound of the API server's clock, made only of times that it told and of the time passed since: our own clock may be wrong.
 */
export class ServerClock {
  readonly #clock: Clock
  #toldSecond = 0
  #atMs = 0
  #asked: Promise<void> | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Learns from a time that an answer carries. */
  told(second: number): void {
    if (second <= this.#second()) return
    this.#toldSecond = second
    this.#atMs = this.#clock.monotonic()
  }

  /** Whether a second of the API server's clock has passed for certain: whatever is written now gets a later time. */
  isPast(second: number): boolean {
    return this.#second() - second >= toleranceSeconds
  }

  /** As `isPast`; asks for the time once: after a start everything would look as if it had just been written. */
  async isPastNow(second: number, client: Client, signal: AbortSignal): Promise<boolean> {
    if (this.isPast(second)) return true
    this.#asked ??= this.#ask(client, signal)
    await this.#asked
    return this.isPast(second)
  }

  #second(): number {
    return Math.floor(this.#toldSecond + (this.#clock.monotonic() - this.#atMs) / 1000)
  }

  /** The answer to "who am I" has a time; everybody may ask. */
  async #ask(client: Client, signal: AbortSignal): Promise<void> {
    const question = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview', metadata: { name: '' } }
    try {
      const { metadata } = await client.create(question, { fieldManager: 'sluice', signal })
      this.told(Math.floor(Date.parse(metadata.creationTimestamp ?? '') / 1000) || 0)
    } catch {
      // Then the times of other answers must do: it costs a few applies that change nothing.
      this.#asked = undefined
    }
  }
}
