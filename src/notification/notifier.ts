/**
 * The contract of providers: each service is one file that turns an event into requests. Where the request goes through (TLS, proxy,
 * retries, time-outs, masking of secrets) is the business of the `Sender` that it is handed.
 */
import type { Socket } from 'node:net'
import type { FluxEvent } from '../api/event.ts'

/** Sends one event. @throws DeliveryError, or any Error whose message names what was wrong; secrets are masked by the caller. */
export type Notify = (notification: Notification, sender: Sender) => Promise<void>

/** How a Provider is told to reach its service, from its spec and its Secret. */
export interface Target {
  /** `address` of the Secret, else of the spec; empty when neither has one. */
  readonly address: string
  readonly channel: string
  /** `username` of the Secret, else of the spec. */
  readonly username: string
  readonly password: string
  readonly token: string
  /** `headers` of the Secret (a YAML map). */
  readonly headers: ReadonlyMap<string, string>
  /** All entries of the Secret as text, for services with keys of their own. */
  readonly secret: ReadonlyMap<string, string>
  /** Uid, namespace and name of the Provider: what keeps several clusters apart. */
  readonly providerUid: string
  readonly providerName: string
  readonly providerNamespace: string
  /** Id of commit statuses as `commitStatusExpr` or the default gives it; set for commit status providers. */
  readonly commitStatus: string | undefined
}

/** An event on its way to a service. */
export interface Notification {
  /** Its metadata is that for people: without group prefixes, with what Alert and annotations add. */
  readonly event: FluxEvent & { readonly metadata: Readonly<Record<string, string>> }
  /** Whether the event asks for a commit status to be updated (`commit_status: update`), and is nothing to tell people. */
  readonly isCommitStatusUpdate: boolean
}

/** One HTTP request to the service. */
export interface Outgoing {
  readonly url: string
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH'
  readonly headers?: Readonly<Record<string, string>>
  /** An object is sent as JSON, a text as it is (with a content type of its own in `headers`), `URLSearchParams` as a form. */
  readonly body?: object | string | URLSearchParams
  /** Statuses besides 2xx that are no failure. */
  readonly accept?: readonly number[]
}

export interface Incoming {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  /** At most 1 MiB. */
  readonly text: string
  /** @throws DeliveryError when the text is no JSON. */
  json(): unknown
}

/** Sends requests for one notification. */
export interface Sender {
  readonly signal: AbortSignal
  /** Milliseconds since the epoch: for logins that end. */
  now(): number
  /**
   * Up to four retries with waits of 2 to 30 seconds on connection errors, 429 and 5xx, within the Provider's time-out.
   * @throws DeliveryError for any other status than 2xx and those accepted.
   */
  send(request: Outgoing): Promise<Incoming>
  /** A TCP connection (through TLS when asked for) for services that do not speak HTTP. */
  connect(address: { readonly host: string; readonly port: number; readonly tls: boolean }): Promise<Socket>
  /** Goes on through TLS on a connection that began without, for protocols that say so in the clear first. */
  secure(socket: Socket, host: string): Promise<Socket>
}

/** A service did not take what was sent. The message has the status and the beginning of the answer. */
export class DeliveryError extends Error {
  override readonly name = 'DeliveryError'
}

/** A service: how its settings are checked, and how events are sent. */
export interface ProviderDefinition {
  /** What it does with commits: `status` and `comment` only get events that name a commit or a change request. */
  readonly purpose: 'chat' | 'commitStatus' | 'changeRequestComment' | 'any'
  /** @throws Error that says which setting is missing or wrong. */
  connect(target: Target): Notify
}

/** `kind/name.namespace`, kind in lower case: how an object is called in messages. */
export function objectId({ involvedObject: { kind, name, namespace } }: FluxEvent): string {
  return `${kind.toLowerCase()}/${name}.${namespace}`
}
