/** Requests that a test waits for: told to all who wait, whichever server they came to. */
export class Coming<T> {
  readonly #listeners = new Set<(request: T) => void>()

  came(request: T): void {
    for (const listen of this.#listeners) listen(request)
  }

  /** Resolves with the next one that fits. */
  next(fits: (request: T) => boolean): Promise<T> {
    return new Promise((resolve) => {
      const listen = (request: T) => {
        if (!fits(request)) return
        this.#listeners.delete(listen)
        resolve(request)
      }
      this.#listeners.add(listen)
    })
  }
}
