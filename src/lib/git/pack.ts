/** A pack in memory: its objects by id. Source: gitformat-pack(5). */
import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { inflateSync } from 'node:zlib'
import { messageOf } from '../errors.ts'
import { applyDelta } from './delta.ts'
import { GitError } from './errors.ts'

export type ObjectType = 'commit' | 'tree' | 'blob' | 'tag'

export interface GitObject {
  readonly type: ObjectType
  readonly content: Buffer
}

export interface PackLimits {
  readonly maxObjects: number
  /** Of one object, uncompressed. */
  readonly maxObjectBytes: number
  /** Of all objects, uncompressed: bounds the time that a small but malicious pack costs. */
  readonly maxTotalBytes: number
}

const mebibyte = 1024 * 1024
export const defaultPackLimits: PackLimits = {
  maxObjects: 2_000_000,
  maxObjectBytes: 256 * mebibyte,
  maxTotalBytes: 8192 * mebibyte,
}

/** Kept uncompressed, because the next objects are often deltas of the last ones. */
const cachedBytes = 32 * mebibyte
/** Git makes chains of 50; ones that are far longer only cost time. */
const longestChain = 4096
/** How long other work of the thread may be kept waiting. */
const sliceMs = 20

const typesByCode = new Map<number, ObjectType>([
  [1, 'commit'],
  [2, 'tree'],
  [3, 'blob'],
  [4, 'tag'],
])
const offsetDelta = 6
const idDelta = 7

/** One entry of the pack: an object, or the changes that make it from another. */
interface Entry {
  readonly type: ObjectType | 'delta'
  /** Uncompressed, of the object or of the changes. */
  readonly size: number
  /** Where the other object is: an offset in the pack, or an id. */
  readonly base?: number | string
  /** Where the compressed bytes begin. */
  readonly dataAt: number
}

export class Pack {
  readonly #bytes: Buffer
  readonly #limits: PackLimits
  readonly #offsets = new Map<string, number>()
  readonly #cache = new ObjectCache(cachedBytes)
  #totalBytes = 0

  private constructor(bytes: Uint8Array, limits: PackLimits) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#limits = limits
  }

  /**
   * Reads a pack through and finds the id of every object.
   * @throws GitError `protocol` for a damaged pack, `tooLarge` beyond the limits; the signal's reason when it is aborted.
   */
  static async open(bytes: Uint8Array, signal: AbortSignal, limits: PackLimits = defaultPackLimits): Promise<Pack> {
    const pack = new Pack(bytes, limits)
    await pack.#index(signal)
    return pack
  }

  get sizeBytes(): number {
    return this.#bytes.length
  }

  has(id: string): boolean {
    return this.#offsets.has(id)
  }

  /** @throws GitError `protocol` when the pack does not hold it or holds something else under the id. */
  read(id: string, type: ObjectType): Buffer {
    const object = this.find(id)
    if (!object) throw new GitError('protocol', `the server sent a pack without ${type} ${id}`)
    if (object.type !== type) throw new GitError('protocol', `object ${id} is a ${object.type}, not a ${type}`)
    return object.content
  }

  find(id: string): GitObject | undefined {
    const offset = this.#offsets.get(id)
    return offset === undefined ? undefined : this.#readAt(offset)
  }

  async #index(signal: AbortSignal): Promise<void> {
    const count = this.#checkHeader()
    const waiting: number[] = []
    let offset = 12
    let sliceEnd = performance.now() + sliceMs
    for (let i = 0; i < count; i++) {
      const entry = this.#entryAt(offset)
      const { content, end } = this.#inflate(entry)
      if (!this.#register(offset, entry, content)) waiting.push(offset)
      offset = end
      if (performance.now() < sliceEnd) continue
      await setImmediate()
      signal.throwIfAborted()
      sliceEnd = performance.now() + sliceMs
    }
    if (offset !== this.#bytes.length - 20) throw damaged('it has more bytes than its objects')
    this.#registerWaiting(waiting)
  }

  /** @returns the number of objects. */
  #checkHeader(): number {
    const bytes = this.#bytes
    if (bytes.length < 32 || bytes.toString('latin1', 0, 4) !== 'PACK') throw damaged('it does not begin as a pack does')
    const version = bytes.readUInt32BE(4)
    if (version !== 2 && version !== 3) throw damaged(`it is of version ${version}`)
    const checksum = createHash('sha1').update(bytes.subarray(0, -20)).digest()
    if (!checksum.equals(bytes.subarray(-20))) throw damaged('its checksum does not match')
    const count = bytes.readUInt32BE(8)
    const { maxObjects } = this.#limits
    if (count > maxObjects) throw new GitError('tooLarge', `the pack has ${count} objects; the limit is ${maxObjects}`)
    return count
  }

  /** Finds an object's id. @returns false when it is a delta of an object that comes later. */
  #register(offset: number, entry: Entry, content: Buffer): boolean {
    const object = entry.type === 'delta' ? this.#rebuild(entry, content) : { type: entry.type, content }
    if (!object) return false
    this.#totalBytes += object.content.length
    const { maxTotalBytes } = this.#limits
    if (this.#totalBytes > maxTotalBytes) throw new GitError('tooLarge', `the objects have more than ${maxTotalBytes} bytes in all`)
    const id = createHash('sha1').update(`${object.type} ${object.content.length}\0`).update(object.content).digest('hex')
    this.#offsets.set(id, offset)
    this.#cache.add(offset, object)
    return true
  }

  #registerWaiting(offsets: readonly number[]): void {
    const left = offsets.filter((offset) => {
      const entry = this.#entryAt(offset)
      return !this.#register(offset, entry, this.#inflate(entry).content)
    })
    if (left.length === 0) return
    if (left.length === offsets.length) throw damaged(`${left.length} objects are deltas of objects that it does not hold`)
    this.#registerWaiting(left)
  }

  #rebuild(entry: Entry, delta: Buffer): GitObject | undefined {
    const baseOffset = typeof entry.base === 'string' ? this.#offsets.get(entry.base) : entry.base
    if (baseOffset === undefined) return undefined
    const base = this.#readAt(baseOffset)
    return { type: base.type, content: applyDelta(base.content, delta, this.#limits.maxObjectBytes) }
  }

  #readAt(offset: number): GitObject {
    const deltas: { offset: number; content: Buffer }[] = []
    let at = offset
    let object = this.#cache.get(at)
    while (!object) {
      const entry = this.#entryAt(at)
      const { content } = this.#inflate(entry)
      if (entry.type !== 'delta') {
        object = { type: entry.type, content }
        break
      }
      deltas.push({ offset: at, content })
      const base = typeof entry.base === 'string' ? this.#offsets.get(entry.base) : entry.base
      if (base === undefined || deltas.length > longestChain) throw damaged(`the object at ${offset} cannot be rebuilt`)
      at = base
      object = this.#cache.get(at)
    }
    for (const delta of deltas.toReversed()) {
      object = { type: object.type, content: applyDelta(object.content, delta.content, this.#limits.maxObjectBytes) }
      this.#cache.add(delta.offset, object)
    }
    return object
  }

  #entryAt(offset: number): Entry {
    let at = offset
    const next = () => {
      if (at >= this.#bytes.length - 20) throw damaged('it ends within an object')
      return this.#bytes[at++] as number
    }
    const first = next()
    const code = (first >> 4) & 7
    let size = first & 15
    for (let byte = first, unit = 16; byte & 128; unit *= 128) {
      byte = next()
      size += (byte & 127) * unit
    }
    const { maxObjectBytes } = this.#limits
    if (size > maxObjectBytes)
      throw new GitError('tooLarge', `an object of ${size} bytes is larger than the limit of ${maxObjectBytes}`)
    if (code === offsetDelta) {
      let byte = next()
      let back = byte & 127
      while (byte & 128) {
        byte = next()
        back = (back + 1) * 128 + (byte & 127)
      }
      if (back <= 0 || back > offset - 12) throw damaged(`the object at ${offset} is a delta of nothing`)
      return { type: 'delta', size, base: offset - back, dataAt: at }
    }
    if (code === idDelta) {
      const base = this.#bytes.toString('hex', at, at + 20)
      return { type: 'delta', size, base, dataAt: at + 20 }
    }
    const type = typesByCode.get(code)
    if (!type) throw damaged(`the object at ${offset} is of the unknown type ${code}`)
    return { type, size, dataAt: at }
  }

  /** @returns the uncompressed bytes and where the compressed ones end. */
  #inflate({ dataAt, size }: Entry): { content: Buffer; end: number } {
    try {
      const { buffer, engine } = inflate(this.#bytes.subarray(dataAt, -20), size)
      if (buffer.length !== size) throw damaged(`the object at ${dataAt} has ${buffer.length} bytes instead of ${size}`)
      return { content: buffer, end: dataAt + engine.bytesWritten }
    } catch (error) {
      throw error instanceof GitError ? error : damaged(messageOf(error), { cause: error })
    }
  }
}

/** Never makes more than the size that the pack states. Bytes behind the object are left alone. */
function inflate(bytes: Buffer, size: number): { buffer: Buffer; engine: { bytesWritten: number } } {
  const options = { info: true, maxOutputLength: Math.max(size, 1), chunkSize: Math.max(64, Math.min(size + 1, mebibyte)) }
  // The types do not know what `info` changes.
  return inflateSync(bytes, options) as unknown as { buffer: Buffer; engine: { bytesWritten: number } }
}

function damaged(why: string, options?: ErrorOptions): GitError {
  return new GitError('protocol', `the pack is damaged: ${why}`, options)
}

/** Drops what was used least recently. */
class ObjectCache {
  readonly #limit: number
  readonly #objects = new Map<number, GitObject>()
  #size = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get(offset: number): GitObject | undefined {
    const object = this.#objects.get(offset)
    if (object) {
      this.#objects.delete(offset)
      this.#objects.set(offset, object)
    }
    return object
  }

  add(offset: number, object: GitObject): void {
    if (object.content.length > this.#limit / 4 || this.#objects.has(offset)) return
    this.#objects.set(offset, object)
    this.#size += object.content.length
    for (const [oldest, { content }] of this.#objects) {
      if (this.#size <= this.#limit) return
      this.#objects.delete(oldest)
      this.#size -= content.length
    }
  }
}
