/** Requests to one API server over one pool of kept-alive connections. */

/** An answer of the API server that is not a success, from its Status object. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  /** HTTP status. */
  readonly status: number
  /** `reason` of the Status object: NotFound, AlreadyExists, Conflict, Invalid, Forbidden, Expired, TooManyRequests … */
  readonly reason: string
  readonly retryAfterMs: number | undefined
  /** `details.causes` of the Status object: which field, and why. */
  readonly causes: readonly { readonly field?: string; readonly reason?: string; readonly message?: string }[]

  constructor(
    message: string,
    about: { status: number; reason: string; retryAfterMs?: number | undefined; causes?: ApiError['causes'] },
    options?: ErrorOptions,
  ) {
    super(message, options)
    this.status = about.status
    this.reason = about.reason
    this.retryAfterMs = about.retryAfterMs
    this.causes = about.causes ?? []
  }
}

export interface TransportRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Path and query, as `/api/v1/namespaces/default/configmaps?limit=500`. */
  readonly path: string
  readonly accept?: string
  readonly contentType?: string
  readonly body?: string | Uint8Array
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
  /** What the request is counted as in the metrics: get, list, watch, create, patch, apply, delete. */
  readonly verb: string
}

export interface Transport {
  /** One request, its answer parsed as JSON. Retries what is safe to (429 and 503 with Retry-After, refused connections) within bounds. */
  request(request: TransportRequest): Promise<unknown>
  /** One request whose answer is a stream of lines (watch). */
  stream(request: TransportRequest): AsyncIterable<string>
  close(): Promise<void>
}
