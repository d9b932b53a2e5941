/**
 * The notification controller of this process: what takes events and calls, besides the loops of its kinds. As in Flux it works in every
 * replica, whoever leads: events are told and webhooks answered while leaders change.
 */
import type { FluxEvent } from '../api/event.ts'
import type { Recorder } from '../runtime/events.ts'
import type { Environment } from '../runtime/reconcile.ts'
import type { Listening } from '../runtime/servers.ts'
import type { HttpServer } from '../runtime/work-metrics.ts'
import { Dispatcher } from './dispatch.ts'
import { eventIntake } from './intake.ts'
import { Issuers } from './issuers.ts'
import { ReceiverServer } from './receiver-server.ts'
import { type Call, type Handler, serve } from './serve.ts'

/** What is on its way when the process ends has this long to arrive. */
const graceMs = 2_000

export class Notifications implements AsyncDisposable {
  readonly #dispatcher: Dispatcher
  readonly #issuers: Issuers
  readonly #servers: Listening[] = []
  readonly #environment: Environment
  readonly #abort = new AbortController()
  #closed: Promise<void> | undefined

  /** @throws Error that names the address that cannot be listened on. */
  static async start(environment: Environment, recorder: Recorder): Promise<Notifications> {
    const notifications = new Notifications(environment, recorder)
    try {
      await notifications.#listen()
      return notifications
    } catch (error) {
      await notifications.close(0)
      throw error
    }
  }

  private constructor(environment: Environment, recorder: Recorder) {
    this.#environment = environment
    this.#dispatcher = new Dispatcher({ environment, recorder })
    this.#issuers = new Issuers(environment)
  }

  /** Ports of the servers for events and for receivers. */
  get ports(): { readonly events: number; readonly receivers: number } {
    const [events, receivers] = this.#servers.map(({ port }) => port)
    return { events: events ?? 0, receivers: receivers ?? 0 }
  }

  /** Events that were taken and are not done with. */
  get waiting(): number {
    return this.#dispatcher.waiting
  }

  /** Takes an event of this process. */
  accept(event: FluxEvent): void {
    this.#dispatcher.accept(event)
  }

  /** Takes nothing more, lets what is on its way arrive, and ends. */
  close(ms = graceMs): Promise<void> {
    this.#closed ??= this.#close(ms)
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close(0)
  }

  async #listen(): Promise<void> {
    const { flags, log } = this.#environment
    const receivers = new ReceiverServer({ environment: this.#environment, issuers: this.#issuers, signal: this.#abort.signal })
    const intake = eventIntake((event) => this.#dispatcher.accept(event), log)
    const serving = { address: flags.receiverAddr, handler: (call: Call) => receivers.handle(call) }
    // Paths that are of no Receiver are all one: callers could make up any number of series.
    const hookOf = (target: string) => (flags.exportHttpPathMetrics && receivers.has(target) ? target : '/hook/')
    this.#servers.push(await this.#serve({ address: flags.eventsListenAddr, handler: intake }, 'event', () => '/'))
    this.#servers.push(await this.#serve(serving, 'receiver', hookOf))
  }

  /** `labelOf` is what calls of a target are counted as. */
  #serve(
    serving: { readonly address: string; readonly handler: Handler },
    server: HttpServer,
    labelOf: (target: string) => string,
  ): Promise<Listening> {
    const { log, metrics } = this.#environment
    return serve({ ...serving, log, observe: (target) => metrics.httpCall(server, labelOf(target)) })
  }

  async #close(ms: number): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.close()))
    await this.#dispatcher.close(ms)
    this.#abort.abort(new Error('the process ends'))
    await this.#issuers[Symbol.asyncDispose]()
  }
}
