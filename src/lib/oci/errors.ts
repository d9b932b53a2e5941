/** What can go wrong with a registry. */

export type OciErrorCode =
  | 'authentication' // credentials are missing, wrong or not enough
  | 'notFound' // no such repository, tag, manifest or blob
  | 'tooLarge' // more bytes than are allowed
  | 'corrupt' // not the bytes that the digest stands for, or no valid manifest
  | 'refused' // any other answer of the registry
  | 'network' // no answer

export class OciError extends Error {
  override readonly name = 'OciError'
  readonly code: OciErrorCode
  constructor(code: OciErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Also true for an error that came from a worker thread, where its class is lost. */
export function isOciError(error: unknown): error is OciError {
  return error instanceof Error && error.name === 'OciError' && 'code' in error
}
