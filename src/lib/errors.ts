/** Errors of the engines: what was wrong, and where in the user's files. */

/** Where an error was found. Paths are those of the user's repository, never of a temporary folder. */
export interface Place {
  readonly file?: string
  /** From 1. */
  readonly line?: number
  /** From 1. */
  readonly column?: number
  /** The field, as `spec.template.spec.containers[0].image`. */
  readonly path?: string
}

/** A text (YAML, JSON, template, expression) that cannot be parsed. The message already names the place. */
export class ParseError extends Error {
  override readonly name = 'ParseError'
  readonly place: Place
  constructor(message: string, place: Place = {}, options?: ErrorOptions) {
    super(message, options)
    this.place = place
  }
}

/** Input that parses but cannot be built. The message already names the place. */
export class BuildError extends Error {
  override readonly name = 'BuildError'
  readonly place: Place
  constructor(message: string, place: Place = {}, options?: ErrorOptions) {
    super(message, options)
    this.place = place
  }
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** What a socket or TLS said, where a client has wrapped it: that is what a person needs. */
export function rootMessageOf(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.errors.length > 0) return rootMessageOf(thrown.errors[0])
  if (thrown instanceof Error && thrown.cause instanceof Error) return rootMessageOf(thrown.cause)
  return messageOf(thrown)
}

/** The code of a system error, such as `ENOENT`; undefined for other errors. */
export function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined
}
