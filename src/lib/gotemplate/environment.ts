/** What an execution takes from outside: clock, zone, randomness, and the bounds of what a hostile template may use up. */

/** A template used up what it was given. It ends the execution and is never wrapped as an error of the template. */
export class LimitError extends Error {
  override readonly name = 'LimitError'
}

export interface Limits {
  /** Bytes of text that an execution may produce in all, intermediate strings included. Default 64 MiB: the large public charts need less than a tenth. */
  readonly maxBytes?: number
  /** Actions, iterations and list items that an execution may go through. Default 20 million. */
  readonly maxSteps?: number
}

/** Counts down what an execution may use: everything that makes text or loops charges it first. */
export class Budget {
  #bytes: number
  #steps: number
  constructor({ maxBytes = 64 * 1024 * 1024, maxSteps = 20_000_000 }: Limits = {}) {
    this.#bytes = maxBytes
    this.#steps = maxSteps
  }

  /** Before text of this length is made (characters or bytes). @throws LimitError */
  text(length: number): void {
    this.#bytes -= length
    if (this.#bytes < 0) throw new LimitError('the template produces more text than is allowed')
  }

  /** Before text of this length is made that will be charged once it is there. @throws LimitError */
  checkText(length: number): void {
    if (length > this.#bytes) throw new LimitError('the template produces more text than is allowed')
  }

  /** Before work of this many steps. @throws LimitError */
  steps(count = 1): void {
    this.#steps -= count
    if (this.#steps < 0) throw new LimitError('the template takes more steps than is allowed')
  }
}

/** The world as a template's functions see it. */
export interface Environment {
  /** Milliseconds since the epoch. */
  now(): number
  /** Random bytes: cryptographic ones in production, a fixed sequence in tests. */
  random(length: number): Uint8Array
  /** The IANA name of the local time zone, as `UTC`. */
  readonly zone: string
  readonly budget: Budget
}
