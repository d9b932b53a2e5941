/** Cached objects of one kind, with indexes instead of scans. */
import { type Key, type KubeObject, keyOf, keyText } from '../api/object.ts'

/** Read-only view of the cached objects of one informer. */
export interface Store<T extends KubeObject = KubeObject> {
  get(key: Key): T | undefined
  all(): Iterable<T>
  readonly size: number
  /** Adds an index, or finds the one of that name: `keys` gives the values under which an object is found. */
  index(name: string, keys: (object: T) => readonly string[]): (value: string) => readonly T[]
}

/** The store as its informer sees it. `freeze` (tests) makes every write to a cached object fail at once. */
export class ObjectStore<T extends KubeObject = KubeObject> implements Store<T> {
  readonly #objects = new Map<string, T>()
  readonly #indexes = new Map<string, Index<T>>()
  readonly #freeze: boolean

  constructor(options: { freeze?: boolean } = {}) {
    this.#freeze = options.freeze ?? false
  }

  get(key: Key): T | undefined {
    return this.#objects.get(keyText(key))
  }

  all(): Iterable<T> {
    return this.#objects.values()
  }

  get size(): number {
    return this.#objects.size
  }

  index(name: string, keys: (object: T) => readonly string[]): (value: string) => readonly T[] {
    const index = this.#indexes.get(name) ?? new Index(keys, this.#objects)
    this.#indexes.set(name, index)
    return (value) => index.find(value)
  }

  /** Returns the object that was there before. */
  put(object: T): T | undefined {
    if (this.#freeze) deepFreeze(object)
    const key = keyText(keyOf(object))
    const old = this.#objects.get(key)
    this.#objects.set(key, object)
    for (const index of this.#indexes.values()) index.replace(key, old, object)
    return old
  }

  /** Returns the object that was there. */
  remove(key: Key): T | undefined {
    const text = keyText(key)
    const old = this.#objects.get(text)
    if (old === undefined) return undefined
    this.#objects.delete(text)
    for (const index of this.#indexes.values()) index.replace(text, old, undefined)
    return old
  }
}

class Index<T> {
  readonly #keys: (object: T) => readonly string[]
  /** From value to the objects by key. */
  readonly #found = new Map<string, Map<string, T>>()

  constructor(keys: (object: T) => readonly string[], objects: ReadonlyMap<string, T>) {
    this.#keys = keys
    for (const [key, object] of objects) this.replace(key, undefined, object)
  }

  find(value: string): readonly T[] {
    return [...(this.#found.get(value)?.values() ?? [])]
  }

  replace(key: string, old: T | undefined, object: T | undefined): void {
    for (const value of old === undefined ? [] : this.#keys(old)) this.#remove(value, key)
    for (const value of object === undefined ? [] : this.#keys(object)) this.#add(value, key, object as T)
  }

  #add(value: string, key: string, object: T): void {
    const objects = this.#found.get(value)
    if (objects) objects.set(key, object)
    else this.#found.set(value, new Map([[key, object]]))
  }

  #remove(value: string, key: string): void {
    const objects = this.#found.get(value)
    objects?.delete(key)
    if (objects?.size === 0) this.#found.delete(value)
  }
}

function deepFreeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return
  Object.freeze(value)
  for (const inner of Object.values(value)) deepFreeze(inner)
}
