/** The apply engines of Kustomizations, one for each identity in each cluster: what may be seen and written is known for one only. */
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

/** An identity's rights in one cluster, to read by and to apply with. */
export interface Actor {
  readonly client: Client
  readonly applier: Applier
}

interface Engine extends Actor {
  readonly cluster: Client
  readonly user: string
  /** Keys of the Kustomizations that it acts for. */
  readonly owners: Set<string>
}

type Listener = (drift: Drift) => void

/**
 * An engine of an account, or of a cluster elsewhere, lives as long as a Kustomization acts through it; that of the program's own identity
 * in its own cluster is always there.
 */
export class Appliers {
  readonly #client: Client
  readonly #make: (client: Client) => Applier
  readonly #own: Engine
  /** By cluster, then by user; `''` is the identity of the cluster's client. */
  readonly #engines = new Map<Client, Map<string, Engine>>()
  /** Key of a Kustomization → what it acted through last. */
  readonly #acting = new Map<string, Engine>()
  readonly #listeners = new Set<Listener>()
  readonly #closing = new Set<Promise<void>>()

  /** `make` makes the engine that acts through a client. */
  constructor(client: Client, make: (client: Client) => Applier) {
    this.#client = client
    this.#make = make
    this.#own = this.#engine(client, '')
  }

  /**
   * Whom a Kustomization acts through, in the program's own cluster or the one that a client leads to.
   * @throws ApiError when the account's name cannot be sent in a header.
   */
  of(key: Key, account: ReturnType<typeof accountOf>, cluster: Client = this.#client): Actor {
    const user = account ? `system:serviceaccount:${account.namespace}:${account.name}` : ''
    const engine = this.#engines.get(cluster)?.get(user) ?? this.#engine(cluster, user)
    if ((this.#acting.get(keyText(key)) ?? this.#own) !== engine) this.forget(key)
    engine.owners.add(keyText(key))
    this.#acting.set(keyText(key), engine)
    return engine
  }

  /** Told of the drift of all that is managed. Returns how to stop. */
  onDrift(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Drops what is kept in memory for a Kustomization. */
  forget(key: Key): void {
    const engine = this.#acting.get(keyText(key)) ?? this.#own
    engine.applier.forget(key)
    engine.owners.delete(keyText(key))
    this.#acting.delete(keyText(key))
    if (engine !== this.#own && engine.owners.size === 0) this.#end(engine)
  }

  /** Ends all watches. */
  async close(): Promise<void> {
    const engines = [...this.#engines.values()].flatMap((users) => [...users.values()])
    await Promise.all(engines.map(({ applier }) => applier.close()))
    await Promise.all(this.#closing)
  }

  #engine(cluster: Client, user: string): Engine {
    const client = user === '' ? cluster : cluster.as({ user })
    const applier = this.#make(client)
    applier.onDrift((drift) => {
      for (const listener of this.#listeners) listener(drift)
    })
    const engine = { client, applier, cluster, user, owners: new Set<string>() }
    const users = this.#engines.get(cluster) ?? new Map<string, Engine>()
    this.#engines.set(cluster, users.set(user, engine))
    return engine
  }

  #end({ applier, cluster, user }: Engine): void {
    const users = this.#engines.get(cluster)
    users?.delete(user)
    if (users?.size === 0) this.#engines.delete(cluster)
    const closed = applier.close().finally(() => this.#closing.delete(closed))
    this.#closing.add(closed)
  }
}
