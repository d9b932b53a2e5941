/** A Git repository on a server: which references it has, and packs of what they hold. Speaks protocol 2, and 0 where 2 is unknown. */
import { GitError } from './errors.ts'
import { type HttpAnswer, HttpEndpoint, type HttpOptions } from './http.ts'
import { delimiter, flush, type Packet, packetLine, readPackets, textOf } from './pktline.ts'

/** A reference on the server. */
export interface ServerRef {
  /** `refs/heads/main`, `HEAD`. */
  readonly name: string
  readonly id: string
  /** What an annotated tag points to at the end. */
  readonly peeled?: string
}

export interface PackRequest {
  /** Ids of commits or tags. */
  readonly wants: readonly string[]
  /** 1: without history. */
  readonly depth?: number
  /** Ask for commits alone, without what they hold; servers that cannot do it send everything. */
  readonly commitsOnly?: boolean
}

export interface RemoteOptions extends HttpOptions {
  /** A larger pack fails; 512 MiB when absent. */
  readonly maxPackBytes?: number
}

const service = 'git-upload-pack'
const agent = 'agent=git/2-sluice'
const mebibyte = 1024 * 1024
/** About a million references. */
const maxListingBytes = 128 * mebibyte
const defaultMaxPackBytes = 512 * mebibyte
const objectId = /^[0-9a-f]{40}$/

/** What the server said it can do; before protocol 2 it lists its references at once. */
interface Capabilities {
  readonly version: 0 | 2
  readonly features: ReadonlyMap<string, string>
  readonly refs: readonly ServerRef[]
}

export class Remote implements AsyncDisposable {
  readonly #endpoint: HttpEndpoint
  readonly #maxPackBytes: number
  #capabilities: Capabilities | undefined

  /** `url` is http or https, without user information. */
  constructor(url: URL, options: RemoteOptions) {
    this.#endpoint = new HttpEndpoint(url, options)
    this.#maxPackBytes = options.maxPackBytes ?? defaultMaxPackBytes
  }

  /**
   * The references whose names begin with one of the prefixes, with annotated tags peeled.
   * @throws GitError; the signal's reason when it is aborted.
   */
  async refs(prefixes: readonly string[]): Promise<ServerRef[]> {
    const { version, features, refs } = await this.#discover()
    const fits = (ref: ServerRef) => prefixes.some((prefix) => ref.name.startsWith(prefix))
    if (version === 0) return refs.filter(fits)
    const lines = ['peel', ...prefixes.map((prefix) => `ref-prefix ${prefix}`)]
    const answer = await this.#post(command('ls-refs', features, lines), { maxBytes: maxListingBytes, version })
    return (await readListing(this.#packets(answer), 2)).filter(fits)
  }

  /**
   * A pack with the objects asked for.
   * @throws GitError `notAdvertised` when the server does not give out one of the ids, `tooLarge` beyond the limit; others of the network.
   */
  async pack(request: PackRequest): Promise<Uint8Array> {
    const { version, features } = await this.#discover()
    const body = version === 2 ? command('fetch', features, fetchLines(request, features)) : legacyFetch(request, features)
    const answer = await this.#post(body, { maxBytes: this.#maxPackBytes + mebibyte, version })
    const pack = new GrowingBuffer(this.#maxPackBytes)
    let ended = false
    for await (const packet of this.#packets(answer)) {
      ended = packet === 'flush' || packet === 'end'
      if (typeof packet === 'string') continue
      // Before the pack come lines of text about acknowledgements and shallow commits, which say nothing new to a clone.
      if (packet[0] === 1) pack.append(packet.subarray(1))
      else if (packet[0] === 3)
        throw new GitError('network', `the server reports: ${this.#endpoint.redact(textOf(packet.subarray(1)))}`)
    }
    if (!ended || pack.bytes.length === 0) throw new GitError('network', 'the connection was cut before the pack was complete')
    return pack.bytes
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#endpoint[Symbol.asyncDispose]()
  }

  async #discover(): Promise<Capabilities> {
    this.#capabilities ??= await this.#readCapabilities()
    return this.#capabilities
  }

  async #readCapabilities(): Promise<Capabilities> {
    const answer = await this.#endpoint.request({
      path: `info/refs?service=${service}`,
      headers: { 'git-protocol': 'version=2' },
      maxBytes: maxListingBytes,
    })
    if (answer.contentType.split(';')[0] !== `application/x-${service}-advertisement`)
      throw new GitError('protocol', `the answer is not a Git repository's: it is of type "${answer.contentType.slice(0, 100)}"`)
    const capabilities = await readAdvertisement(this.#packets(answer))
    const format = capabilities.features.get('object-format') ?? 'sha1'
    if (format !== 'sha1') throw new GitError('protocol', `the repository's object format is ${format}; only sha1 is supported`)
    return capabilities
  }

  #post(body: string, { maxBytes, version }: { maxBytes: number; version: 0 | 2 }): Promise<HttpAnswer> {
    return this.#endpoint.request({
      path: service,
      headers: {
        'content-type': `application/x-${service}-request`,
        accept: `application/x-${service}-result`,
        ...(version === 2 && { 'git-protocol': 'version=2' }),
      },
      body,
      maxBytes,
    })
  }

  /** The packets of an answer; the server's own error message ends it. */
  async *#packets(answer: HttpAnswer): AsyncGenerator<Packet> {
    for await (const packet of readPackets(answer.body)) {
      if (typeof packet !== 'string' && packet.length > 4 && packet.toString('latin1', 0, 4) === 'ERR ') {
        const text = this.#endpoint.redact(textOf(packet).slice(4))
        throw new GitError(text.includes('not our ref') ? 'notAdvertised' : 'network', `the server reports: ${text}`)
      }
      yield packet
    }
  }
}

/** The first answer of a server. Source: gitprotocol-http(5), gitprotocol-v2(5). */
async function readAdvertisement(packets: AsyncGenerator<Packet>): Promise<Capabilities> {
  let greeted = false
  for await (const packet of packets) {
    if (typeof packet === 'string') continue
    const line = textOf(packet)
    greeted ||= line.startsWith('# service=')
    if (line.startsWith('# service=') || line === 'version 1') continue
    if (line === 'version 2') return { version: 2, features: await readFeatures(packets), refs: [] }
    const [ref = '', features = ''] = line.split('\0')
    const rest = await readListing(packets, 0)
    return {
      version: 0,
      features: new Map(features.split(' ').map(splitFeature)),
      refs: withPeeled([...parseRef(ref, 0), ...rest]),
    }
  }
  // Some servers say nothing more about an empty repository.
  if (greeted) return { version: 0, features: new Map(), refs: [] }
  throw new GitError('protocol', 'the server sends an empty answer')
}

async function readFeatures(packets: AsyncGenerator<Packet>): Promise<Map<string, string>> {
  const features = new Map<string, string>()
  for await (const packet of packets) {
    if (packet === 'flush') return features
    if (typeof packet !== 'string') features.set(...splitFeature(textOf(packet)))
  }
  throw new GitError('network', 'the connection was cut within the first answer')
}

function splitFeature(text: string): [string, string] {
  const equals = text.indexOf('=')
  return equals < 0 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)]
}

/** @throws GitError for a listing without an end: a shortened list of tags would pick an old version. */
async function readListing(packets: AsyncGenerator<Packet>, version: 0 | 2): Promise<ServerRef[]> {
  const refs: ServerRef[] = []
  for await (const packet of packets) {
    if (packet === 'flush') return refs
    if (typeof packet !== 'string') refs.push(...parseRef(textOf(packet), version))
  }
  throw new GitError('network', 'the connection was cut within the list of references')
}

function parseRef(line: string, version: 0 | 2): ServerRef[] {
  const [id = '', name = '', ...attributes] = line.split(' ')
  if (version === 0 && name === 'capabilities^{}') return [] // stands for an empty repository
  if (id.startsWith('shallow')) return []
  if (!objectId.test(id) || name === '') throw new GitError('protocol', 'the list of references is not in the form that Git has')
  const peeled = attributes.find((attribute) => attribute.startsWith('peeled:'))?.slice('peeled:'.length)
  return [peeled === undefined ? { name, id } : { name, id, peeled }]
}

/** Before protocol 2 a peeled tag is a line of its own, named `<tag>^{}`. */
function withPeeled(refs: readonly ServerRef[]): ServerRef[] {
  const peeled = new Map(refs.filter(({ name }) => name.endsWith('^{}')).map(({ name, id }) => [name.slice(0, -3), id]))
  return refs
    .filter(({ name }) => !name.endsWith('^{}'))
    .map((ref) => {
      const commit = peeled.get(ref.name)
      return commit === undefined ? ref : { ...ref, peeled: commit }
    })
}

function command(name: string, features: Capabilities['features'], lines: readonly string[]): string {
  const format = features.has('object-format') ? [packetLine('object-format=sha1')] : []
  return [packetLine(`command=${name}`), packetLine(agent), ...format, delimiter, ...lines.map(packetLine), flush].join('')
}

function fetchLines({ wants, depth, commitsOnly }: PackRequest, features: Capabilities['features']): string[] {
  const options = (features.get('fetch') ?? '').split(' ')
  return [
    'no-progress',
    'ofs-delta',
    ...(depth !== undefined && options.includes('shallow') ? [`deepen ${depth}`] : []),
    ...(commitsOnly && options.includes('filter') ? ['filter tree:0'] : []),
    ...wants.map((id) => `want ${id}`),
    'done',
  ]
}

function legacyFetch({ wants, depth, commitsOnly }: PackRequest, features: Capabilities['features']): string {
  if (!features.has('side-band-64k')) throw new GitError('protocol', 'the server is too old: it does not know side-band-64k')
  const filter = commitsOnly && features.has('filter')
  const wanted = ['ofs-delta', 'no-progress', ...(filter ? ['filter'] : [])].filter((name) => features.has(name))
  const lines = wants.map((id, i) => (i === 0 ? `want ${id} side-band-64k ${wanted.join(' ')} ${agent}` : `want ${id}`))
  if (depth !== undefined && features.has('shallow')) lines.push(`deepen ${depth}`)
  if (filter) lines.push('filter tree:0')
  return [...lines.map(packetLine), flush, packetLine('done')].join('')
}

/** Bytes that grow in place: a pack is never in memory twice. */
class GrowingBuffer {
  readonly #limit: number
  readonly #buffer: ArrayBuffer
  #size = 0

  constructor(limit: number) {
    this.#limit = limit
    this.#buffer = new ArrayBuffer(0, { maxByteLength: limit })
  }

  get bytes(): Uint8Array {
    return new Uint8Array(this.#buffer, 0, this.#size)
  }

  append(chunk: Uint8Array): void {
    const size = this.#size + chunk.length
    if (size > this.#limit) throw new GitError('tooLarge', `the pack is larger than the limit of ${this.#limit} bytes`)
    if (size > this.#buffer.byteLength) this.#buffer.resize(Math.min(this.#limit, Math.max(size, this.#size + mebibyte)))
    new Uint8Array(this.#buffer, this.#size, chunk.length).set(chunk)
    this.#size = size
  }
}
