/** A real NATS server for tests, a subscriber of their own, and keys to log in with. */
import { createPrivateKey, createPublicKey, randomBytes, sign } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { freePort, kill, startProcess, temporaryDirectory } from '../../tools/processes.ts'
import { findTool } from '../../tools/tools.ts'

export interface NatsServer extends AsyncDisposable {
  readonly port: number
}

/** Starts a server with a configuration, and waits until it answers. */
export async function startNats(configuration: string): Promise<NatsServer> {
  const [program, port, directory] = [await findTool('nats-server'), await freePort(), await temporaryDirectory('nats')]
  const file = join(directory, 'server.conf')
  await writeFile(file, `listen: "127.0.0.1:${port}"\n${configuration}`)
  const child = startProcess(program, ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  const ready = Promise.withResolvers<void>()
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString()
    if (said.includes('Server is ready')) ready.resolve()
  })
  child.once('exit', () => ready.reject(new Error(`nats-server ended: ${said}`)))
  await ready.promise
  return { port, [Symbol.asyncDispose]: () => kill(child) }
}

export interface Subscriber extends AsyncDisposable {
  /** The next message, as `subject payload`. */
  next(): Promise<string>
}

export interface SubscriberOptions {
  readonly ca?: string
  readonly login: (info: { readonly nonce?: string }) => object
}

/** Listens to every subject. */
export async function subscribe(port: number, { ca, login }: SubscriberOptions): Promise<Subscriber> {
  let socket: Socket = connect({ port, host: '127.0.0.1' })
  const [greeting] = (await once(socket, 'data')) as [Buffer]
  if (ca !== undefined) {
    socket = connectTls({ socket, host: '127.0.0.1', ca })
    await once(socket, 'secureConnect')
  }
  const read = messages(socket)
  socket.write(`CONNECT ${JSON.stringify({ verbose: false, ...login(JSON.parse(greeting.toString().slice(5))) })}\r\n`)
  socket.write('SUB > 1\r\nPING\r\n')
  if ((await read.next()).value !== 'PONG') throw new Error('the subscriber could not log in')
  return {
    async next() {
      const { value } = await read.next()
      if (typeof value !== 'string') throw new Error('the server closed the connection')
      return value
    },
    async [Symbol.asyncDispose]() {
      socket.destroy()
    },
  }
}

async function* messages(socket: Socket): AsyncGenerator<string> {
  let buffer = Buffer.alloc(0)
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    buffer = Buffer.concat([buffer, chunk])
    for (;;) {
      const end = buffer.indexOf('\r\n')
      if (end < 0) break
      const line = buffer.subarray(0, end).toString()
      const [, subject, size] = /^MSG (\S+) \S+ (\d+)$/.exec(line) ?? []
      const after = end + 2 + (size === undefined ? 0 : Number(size) + 2)
      if (buffer.length < after) break
      if (size !== undefined) yield `${subject} ${buffer.subarray(end + 2, after - 2)}`
      else if (line === 'PONG' || line.startsWith('-ERR')) yield line
      buffer = buffer.subarray(after)
    }
  }
}

/** A key pair of an operator, account or user. */
export interface KeyPair {
  readonly seed: string
  readonly publicKey: string
  sign(data: string): string
}

const kinds = { operator: 14 << 3, account: 0, user: 20 << 3 }

export function keyPair(kind: keyof typeof kinds): KeyPair {
  const secret = randomBytes(32)
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), secret])
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
  const known = Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x ?? '', 'base64url')
  const prefix = kinds[kind]
  return {
    seed: encoded(Buffer.concat([Buffer.of((18 << 3) | (prefix >> 5), (prefix & 31) << 3), secret])),
    publicKey: encoded(Buffer.concat([Buffer.of(prefix), known])),
    sign: (data) => sign(null, Buffer.from(data), key).toString('base64url'),
  }
}

function encoded(bytes: Buffer): string {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff
  }
  const bits = [...bytes, crc & 0xff, crc >> 8].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const groups = bits.match(/.{1,5}/g) ?? []
  return groups.map((group) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(group.padEnd(5, '0'), 2)]).join('')
}

/** A token about `subject`, signed by `issuer`. Source: github.com/nats-io/jwt v2. */
export function jwtOf(issuer: KeyPair, subject: KeyPair, nats: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = {
    jti: randomBytes(8).toString('hex'),
    iat: 1_767_225_600,
    iss: issuer.publicKey,
    name: 'test',
    sub: subject.publicKey,
  }
  const data = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part({ ...claims, nats: { ...nats, version: 2 } })}`
  return `${data}.${issuer.sign(data)}`
}

/** The text of a creds file. */
export function credentials(jwt: string, seed: string): string {
  return `-----BEGIN NATS USER JWT-----
${jwt}
------END NATS USER JWT------

************************* IMPORTANT *************************
NKEY Seed printed below can be used to sign and prove identity.

-----BEGIN USER NKEY SEED-----
${seed}
------END USER NKEY SEED------

*************************************************************
`
}
