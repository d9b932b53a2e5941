/**
 * NATS: the event as JSON, published to a subject, by a client that knows as much of the protocol as that takes.
 * Source: nats.go of notification-controller, https://docs.nats.io/reference/reference-protocols/nats-protocol
 */
import type { Socket } from 'node:net'
import { messageOf } from '../../lib/errors.ts'
import { isRecord } from '../../lib/json.ts'
import { DeliveryError, type Notification, type ProviderDefinition, type Sender, type Target } from '../notifier.ts'
import { type Nkey, readCredentials, readSeed } from './nkey.ts'
import { channelOf } from './target.ts'
import { cut, jsonBytes } from './text.ts'

/** What the server may have at least; it says itself how much. */
const defaultMaxPayload = 1024 * 1024
const longestLine = 64 * 1024

export const nats: ProviderDefinition = {
  purpose: 'chat',
  connect(target) {
    const servers = serversOf(target)
    const subject = subjectOf(target)
    const login = loginOf(target)
    return async (notification, sender) => {
      const { connection, info } = await connectToAny(servers, sender)
      try {
        await connection.open(info, login)
        const limit = Number(info.max_payload) || defaultMaxPayload
        await connection.publish(subject, payloadOf(notification, limit))
      } finally {
        connection.end()
      }
    }
  },
}

interface Server {
  readonly host: string
  readonly port: number
  readonly tls: boolean
  /** As the address has them; what the Secret says comes first. */
  readonly user: string
  readonly password: string
}

/** One or several, with commas in between, of the form `nats://[user:password@]host[:port]`. @throws Error for anything else. */
function serversOf({ address }: Target): Server[] {
  const where = 'set spec.address, or the key address of the Secret'
  if (address.trim() === '') throw new Error(`the nats address is empty: ${where}`)
  return address.split(',').map((part) => {
    const text = part.trim()
    const url = URL.parse(text.includes('://') ? text : `nats://${text}`)
    if (!url?.hostname || !['nats:', 'tls:'].includes(url.protocol))
      throw new Error(`the nats address is not of the form nats://<host>:<port> or tls://<host>:<port>: ${where}`)
    return {
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: Number(url.port || 4222),
      tls: url.protocol === 'tls:',
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
    }
  })
}

/** @throws Error for a subject that cannot be published to: it would mean something else to the server. */
function subjectOf(target: Target): string {
  const subject = channelOf(target, 'nats', 'the subject to publish to')
  const isSubject = subject.split('.').every((token) => /^[^\s\p{Cc}]+$/u.test(token) && token !== '*' && token !== '>')
  if (isSubject) return subject
  throw new Error('the nats subject must be words with dots in between, without spaces and wildcards: set spec.channel')
}

/** What CONNECT says of who we are. */
type Login = (info: Info, server: Server) => Readonly<Record<string, string>>
type Info = Readonly<Record<string, unknown>>

/** Credentials, else an nkey, else user and password, else a token, else what the address has. @throws Error that names the key. */
function loginOf({ secret, username, password, token }: Target): Login {
  const creds = secret.get('creds')
  if (creds) {
    const { jwt, key } = named('creds', () => readCredentials(creds))
    return (info) => ({ jwt, nkey: key.publicKey, sig: signed(key, info) })
  }
  const seed = secret.get('nkey')
  if (seed) {
    const key = named('nkey', () => readSeed(seed.trim()))
    return (info) => ({ nkey: key.publicKey, sig: signed(key, info) })
  }
  if (username && password) return () => ({ user: username, pass: password })
  if (token) return () => ({ auth_token: token })
  return (_info, server) => {
    if (server.user === '') return {}
    return server.password === '' ? { auth_token: server.user } : { user: server.user, pass: server.password }
  }
}

function named<T>(key: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new Error(`the key ${key} of the Secret cannot be used: ${messageOf(error)}`, { cause: error })
  }
}

function signed(key: Nkey, { nonce }: Info): string {
  if (typeof nonce === 'string') return key.sign(nonce)
  throw new DeliveryError('the NATS server does not ask for a signature: it is not set up for nkeys or credentials')
}

/** The event, its message cut when it is more than the server takes. */
function payloadOf({ event }: Notification, limit: number): string {
  const text = JSON.stringify(event)
  const tooMuch = Buffer.byteLength(text) - limit
  if (tooMuch <= 0) return text
  return JSON.stringify({ ...event, message: cut(event.message, Math.max(1, jsonBytes(event.message) - tooMuch), jsonBytes) })
}

async function connectToAny(servers: readonly Server[], sender: Sender): Promise<{ connection: Connection; info: Info }> {
  const failures: string[] = []
  for (const server of servers) {
    try {
      return await connectTo(server, sender)
    } catch (error) {
      sender.signal.throwIfAborted()
      failures.push(`${server.host}:${server.port}: ${messageOf(error)}`)
    }
  }
  throw new DeliveryError(`error connecting to server: ${failures.join('; ')}`)
}

/** The server speaks first, and in the clear: then it says whether to go on through TLS. */
async function connectTo(server: Server, sender: Sender): Promise<{ connection: Connection; info: Info }> {
  const socket = await sender.connect({ ...server, tls: false })
  const plain = new Connection(socket, server)
  try {
    const info = infoOf(await plain.line())
    if (info.tls_required !== true && !server.tls) return { connection: plain, info }
    plain.release()
    return { connection: new Connection(await sender.secure(socket, server.host), server), info }
  } catch (error) {
    socket.destroy()
    throw error
  }
}

function infoOf(line: string): Info {
  const text = /^INFO\s+(\{.*\})\s*$/i.exec(line)?.[1]
  const info: unknown = text === undefined ? undefined : JSON.parse(text)
  if (isRecord(info)) return info
  throw new DeliveryError('what answers is no NATS server')
}

/** One connection, read line by line. */
class Connection {
  readonly #socket: Socket
  readonly #server: Server
  #read = ''
  #failure: Error | undefined
  #wake = () => {}
  readonly #take = (chunk: Buffer) => {
    this.#read += chunk.toString('latin1')
    if (this.#read.length > longestLine) this.#fail(new DeliveryError('the NATS server sends a line without an end'))
    this.#wake()
  }
  readonly #fail = (error?: Error) => {
    this.#failure ??= error ?? new DeliveryError('the NATS server closed the connection')
    this.#wake()
  }

  constructor(socket: Socket, server: Server) {
    this.#socket = socket
    this.#server = server
    socket
      .on('data', this.#take)
      .on('error', this.#fail)
      .on('close', () => this.#fail())
  }

  /** Lets another reader have the socket. */
  release(): void {
    this.#socket.off('data', this.#take)
    this.#socket.pause()
  }

  end(): void {
    this.#socket.destroy()
  }

  async open(info: Info, login: Login): Promise<void> {
    const client = { verbose: false, pedantic: true, name: 'NATS Provider Publisher', lang: 'sluice', version: '1.0', protocol: 1 }
    const options = { ...client, tls_required: this.#server.tls, ...login(info, this.#server) }
    this.#socket.write(`CONNECT ${JSON.stringify(options)}\r\nPING\r\n`)
    await this.#pong('error connecting to server')
  }

  /** Resolves when the server has it: its answer to a PING comes after what it has to say against the message. */
  async publish(subject: string, payload: string): Promise<void> {
    this.#socket.write(`PUB ${subject} ${Buffer.byteLength(payload)}\r\n${payload}\r\nPING\r\n`)
    await this.#pong(`error publishing event to subject ${subject}`)
  }

  async #pong(doing: string): Promise<void> {
    for (;;) {
      const line = await this.line()
      const [verb = ''] = line.split(/\s/, 1)
      if (verb.toUpperCase() === 'PONG') return
      if (verb.toUpperCase() === 'PING') this.#socket.write('PONG\r\n')
      if (verb.toUpperCase() === '-ERR') throw new DeliveryError(`${doing}: ${line.slice(4).trim().slice(0, 200)}`)
    }
  }

  async line(): Promise<string> {
    for (;;) {
      const end = this.#read.indexOf('\r\n')
      if (end >= 0) {
        const line = this.#read.slice(0, end)
        this.#read = this.#read.slice(end + 2)
        return line
      }
      if (this.#failure) throw this.#failure
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      await promise
    }
  }
}
