/** The apply engines of Kustomizations, one for each identity: what may be seen and written is known for one identity only. */
import type { Kustomization } from '../api/kustomization.ts'
import { type Key, keyText, type ObjectRef } from '../api/object.ts'
import type { Applier, Drift } from '../kube/applier.ts'
import type { Client } from '../kube/client.ts'
import type { Flags } from '../runtime/flags.ts'

/**
 * The account in its own namespace that a Kustomization acts as: `spec.serviceAccountName`, else `--default-service-account`;
 * undefined for the program's own identity.
 */
export function accountOf(
  { metadata, spec }: Kustomization,
  flags: Pick<Flags, 'defaultServiceAccount'>,
): (ObjectRef & { readonly namespace: string }) | undefined {
  const name = spec.serviceAccountName || flags.defaultServiceAccount
  if (!name) return undefined
  return { apiVersion: 'v1', kind: 'ServiceAccount', namespace: metadata.namespace ?? '', name }
}

/** An identity's rights, to read by and to apply with. */
export interface Actor {
  readonly client: Client
  readonly applier: Applier
}

interface Engine extends Actor {
  /** Keys of the Kustomizations that it acts for. */
  readonly owners: Set<string>
}

type Listener = (drift: Drift) => void

/** An account's engine lives as long as a Kustomization acts as it; that of the program's own identity is always there. */
export class Appliers {
  readonly #client: Client
  readonly #make: (client: Client) => Applier
  readonly #own: Engine
  readonly #engines = new Map<string, Engine>()
  /** Key of a Kustomization → the user that it acted as last. */
  readonly #users = new Map<string, string>()
  readonly #listeners = new Set<Listener>()
  readonly #closing = new Set<Promise<void>>()

  /** `make` makes the engine that acts through a client. */
  constructor(client: Client, make: (client: Client) => Applier) {
    this.#client = client
    this.#make = make
    this.#own = this.#engine(client)
  }

  /**
   * Whom a Kustomization acts through.
   * @throws ApiError when the account's name cannot be sent in a header.
   */
  of(key: Key, account: ReturnType<typeof accountOf>): Actor {
    const user = account ? `system:serviceaccount:${account.namespace}:${account.name}` : ''
    if ((this.#users.get(keyText(key)) ?? '') !== user) this.forget(key)
    if (user === '') return this.#own
    const engine = this.#engines.get(user) ?? this.#engine(this.#client.as({ user }))
    this.#engines.set(user, engine)
    engine.owners.add(keyText(key))
    this.#users.set(keyText(key), user)
    return engine
  }

  /** Told of the drift of all that is managed. Returns how to stop. */
  onDrift(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Drops what is kept in memory for a Kustomization. */
  forget(key: Key): void {
    const user = this.#users.get(keyText(key)) ?? ''
    const engine = this.#engines.get(user) ?? this.#own
    engine.applier.forget(key)
    engine.owners.delete(keyText(key))
    this.#users.delete(keyText(key))
    if (engine === this.#own || engine.owners.size > 0) return
    this.#engines.delete(user)
    const closed = engine.applier.close().finally(() => this.#closing.delete(closed))
    this.#closing.add(closed)
  }

  /** Ends all watches. */
  async close(): Promise<void> {
    await Promise.all([this.#own, ...this.#engines.values()].map(({ applier }) => applier.close()))
    await Promise.all(this.#closing)
  }

  #engine(client: Client): Engine {
    const applier = this.#make(client)
    applier.onDrift((drift) => {
      for (const listener of this.#listeners) listener(drift)
    })
    return { client, applier, owners: new Set() }
  }
}
