/** Keys of NATS: Ed25519 in an encoding of its own. Source: github.com/nats-io/nkeys, https://docs.nats.io/reference/reference-protocols/nkey */
import { createPrivateKey, createPublicKey, sign } from 'node:crypto'

export interface Nkey {
  /** As the server knows it: `U…`. */
  readonly publicKey: string
  /** Signs what the server sent, for its answer. */
  sign(nonce: string): string
}

/** What precedes the 32 bytes of a seed in PKCS#8. */
const pkcs8 = Buffer.from('302e020100300506032b657004220420', 'hex')
const seedPrefix = 0b10010_000

/** @throws Error, without the seed, when it is none. */
export function readSeed(text: string): Nkey {
  const raw = fromBase32(text)
  const [first = 0, second = 0] = raw
  const body = raw.subarray(0, -2)
  if (raw.length !== 36 || (first & 0xf8) !== seedPrefix || raw.readUInt16LE(34) !== crc16(body))
    throw new Error('it is no nkey seed (SU…)')
  const privateKey = createPrivateKey({ key: Buffer.concat([pkcs8, body.subarray(2)]), format: 'der', type: 'pkcs8' })
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' })
  // The kind of key is spread over the first two bytes.
  const kind = ((first & 0b111) << 5) | (second >> 3)
  const known = Buffer.concat([Buffer.of(kind), Buffer.from(x, 'base64url')])
  const checksum = Buffer.alloc(2)
  checksum.writeUInt16LE(crc16(known))
  return {
    publicKey: toBase32(Buffer.concat([known, checksum])),
    sign: (nonce) => sign(null, Buffer.from(nonce), privateKey).toString('base64url'),
  }
}

/** The token and the seed of a creds file. @throws Error, without its text, when one is missing. */
export function readCredentials(text: string): { readonly jwt: string; readonly key: Nkey } {
  const section = (name: string) => new RegExp(`-+BEGIN ${name}-+\\s+([^\\s-]\\S*)\\s+-+END ${name}-+`).exec(text)?.[1]
  const jwt = section('NATS USER JWT')
  const seed = section('USER NKEY SEED')
  if (jwt === undefined || seed === undefined) throw new Error('it is no credentials file with a USER JWT and a USER NKEY SEED')
  return { jwt, key: readSeed(seed) }
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** Empty for what is no base32 (RFC 4648, without padding). */
function fromBase32(text: string): Buffer {
  const bytes: number[] = []
  let bits = 0
  let value = 0
  for (const character of text) {
    const digit = alphabet.indexOf(character)
    if (digit < 0) return Buffer.alloc(0)
    value = ((value << 5) | digit) & 0xfff
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes.push((value >> bits) & 0xff)
  }
  return Buffer.from(bytes)
}

function toBase32(bytes: Buffer): string {
  let text = ''
  let bits = 0
  let value = 0
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += alphabet[(value >> bits) & 0b11111]
    }
  }
  return bits > 0 ? text + alphabet[(value << (5 - bits)) & 0b11111] : text
}

/** CRC-16/XMODEM. */
function crc16(bytes: Uint8Array): number {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = ((crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff) >>> 0
  }
  return crc
}
