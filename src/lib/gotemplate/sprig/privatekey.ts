/** Private keys: made, read from PEM and printed as Go's crypto/x509 does. Source: sprig crypto.go. */

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { Budget } from '../environment.ts'
import { FuncError } from '../func.ts'
import { bigIntOf, dotted, type Element, elementAt, elementsOf, integerElement, sequence, tags } from './der.ts'
import { decodePem, encodePem } from './pem.ts'

/** A key with which certificates may be signed, but for DSA and X25519, which Go only stores. */
export interface PrivateKey {
  readonly kind: 'rsa' | 'ec' | 'ed25519' | 'x25519' | 'dsa'
  /** Absent for DSA. */
  readonly key?: KeyObject
  /** As sprig prints it. */
  readonly pem: string
}

/** What making a key costs, in steps of the budget: about as long as so many actions take. */
const costs = { rsa2048: 200_000, rsa4096: 1_000_000, dsa: 2_000_000, small: 2_000 }

/** An RSA key of 2048 bits, as certificates get it. */
export function certificateKey(budget: Budget): PrivateKey {
  budget.steps(costs.rsa2048)
  return wrap(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey)
}

/** `genPrivateKey`: a new key as PEM. */
export function generatePrivateKey(type: string, budget: Budget): string {
  const generate = generators.get(type)
  return generate ? generate(budget) : `Unknown type ${type}`
}

function generateRsa(budget: Budget): string {
  budget.steps(costs.rsa4096)
  return wrap(generateKeyPairSync('rsa', { modulusLength: 4096 }).privateKey).pem
}

const generators: ReadonlyMap<string, (budget: Budget) => string> = new Map([
  ['', generateRsa],
  ['rsa', generateRsa],
  [
    'dsa',
    (budget: Budget) => {
      budget.steps(costs.dsa)
      return dsaPem(generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 }).privateKey)
    },
  ],
  [
    'ecdsa',
    (budget: Budget) => {
      budget.steps(costs.small)
      return wrap(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey).pem
    },
  ],
  [
    'ed25519',
    (budget: Budget) => {
      budget.steps(costs.small)
      return wrap(generateKeyPairSync('ed25519').privateKey).pem
    },
  ],
])

function wrap(key: KeyObject): PrivateKey {
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return { kind: 'rsa', key, pem: encodePem('RSA PRIVATE KEY', key.export({ type: 'pkcs1', format: 'der' })) }
    case 'ec':
      if (!goCurves.has(key.asymmetricKeyDetails?.namedCurve ?? '')) throw new FuncError('x509: unknown elliptic curve')
      return { kind: 'ec', key, pem: encodePem('EC PRIVATE KEY', key.export({ type: 'sec1', format: 'der' })) }
    default:
      return {
        kind: key.asymmetricKeyType === 'ed25519' ? 'ed25519' : 'x25519',
        key,
        pem: encodePem('PRIVATE KEY', key.export({ type: 'pkcs8', format: 'der' })),
      }
  }
}

const goCurves: ReadonlySet<string> = new Set(['secp224r1', 'prime256v1', 'secp384r1', 'secp521r1'])

/** The form of OpenSSL: version, P, Q, G, Y and X in a row. Node has only PKCS #8, where the parameters and X are apart. */
function dsaPem(key: KeyObject): string {
  const [, algorithm, wrapped] = inside(elementAt(key.export({ type: 'pkcs8', format: 'der' }), 0))
  const [p = 0n, q = 0n, g = 0n] = inside(inside(algorithm)[1]).map((element) => bigIntOf(element.content))
  const spki = inside(elementAt(createPublicKey(key).export({ type: 'spki', format: 'der' }), 0))
  const y = bigIntOf(elementAt(spki[1]?.content ?? Buffer.alloc(0), 1)?.content ?? Buffer.alloc(0))
  const x = bigIntOf(elementAt(wrapped?.content ?? Buffer.alloc(0), 0)?.content ?? Buffer.alloc(0))
  return encodePem('DSA PRIVATE KEY', sequence(...[0n, p, q, g, y, x].map(integerElement)))
}

function inside(element: Element | undefined): readonly Element[] {
  return (element && elementsOf(element.content)) ?? []
}

/** RSA keys of more bits take too long to sign with. */
const maxRsaBits = 16_384

/**
 * Reads the first PEM block of a text.
 * @throws FuncError with sprig's text
 */
export function parsePrivateKey(text: string): PrivateKey {
  const block = decodePem(text)
  if (!block) throw new FuncError('no PEM data in input')
  const { type, bytes } = block
  if (type === 'PRIVATE KEY') return parsing('decoding PEM as PKCS#8', () => parsePkcs8(bytes))
  if (!type.endsWith(' PRIVATE KEY')) throw new FuncError(`no private key data in PEM block of type ${type}`)
  switch (type.slice(0, -' PRIVATE KEY'.length)) {
    case 'RSA':
      return parsing('parsing RSA private key from PEM', () => parsePkcs1(bytes))
    case 'EC':
      return parsing('parsing EC private key from PEM', () => parseSec1(bytes))
    case 'DSA':
      return parsing('parsing DSA private key from PEM', () => parseDsa(bytes))
    default:
      throw new FuncError(`invalid private key type ${type}`)
  }
}

function parsing<Result>(what: string, parse: () => Result): Result {
  try {
    return parse()
  } catch (error) {
    if (error instanceof FuncError) throw new FuncError(`${what}: ${error.message}`)
    throw error
  }
}

/** A form of keys: the structure of Go that mirrors it, the tags of the members that it must have, and the function that reads it. */
interface Form {
  readonly type: 'pkcs1' | 'sec1' | 'pkcs8'
  readonly structure: string
  readonly tags: readonly number[]
  readonly parser: string
}

const pkcs1: Form = {
  type: 'pkcs1',
  structure: 'pkcs1PrivateKey',
  tags: new Array<number>(6).fill(tags.integer),
  parser: 'ParsePKCS1PrivateKey',
}
const sec1: Form = { type: 'sec1', structure: 'ecPrivateKey', tags: [tags.integer, tags.octetString], parser: 'ParseECPrivateKey' }
const pkcs8: Form = {
  type: 'pkcs8',
  structure: 'pkcs8',
  tags: [tags.integer, tags.sequence, tags.octetString],
  parser: 'ParsePKCS8PrivateKey',
}

function parsePkcs1(bytes: Buffer): PrivateKey {
  checkForm(membersOf(bytes, pkcs1.structure), pkcs1, [sec1, pkcs8])
  return importKey(bytes, pkcs1)
}

function parseSec1(bytes: Buffer): PrivateKey {
  const members = parsing('x509: failed to parse EC private key', () => membersOf(bytes, sec1.structure))
  checkForm(members, sec1, [pkcs8, pkcs1])
  return importKey(bytes, sec1)
}

function parsePkcs8(bytes: Buffer): PrivateKey {
  const members = membersOf(bytes, pkcs8.structure)
  checkForm(members, pkcs8, [sec1, pkcs1])
  const id = dotted(inside(members[1])[0]?.content ?? Buffer.alloc(0))
  const name = embeddedKeys.get(id)
  if (name === undefined) throw new FuncError(`x509: PKCS#8 wrapping contained private key with unknown algorithm: ${id}`)
  return parsing(`x509: failed to parse ${name} private key embedded in PKCS#8`, () => importKey(bytes, pkcs8))
}

const embeddedKeys: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.1.1.1', 'RSA'],
  ['1.2.840.10045.2.1', 'EC'],
  ['1.3.101.112', 'Ed25519'],
  ['1.3.101.110', 'X25519'],
])

function parseDsa(bytes: Buffer): PrivateKey {
  const numbers = membersOf(bytes, 'DSAKeyFormat').map(({ content }) => bigIntOf(content))
  return { kind: 'dsa', pem: encodePem('DSA PRIVATE KEY', sequence(...[0n, ...numbers.slice(1, 6)].map(integerElement))) }
}

/** Throws for members of another form, which is named when it is known. */
function checkForm(members: readonly Element[], form: Form, others: readonly Form[]): void {
  if (hasForm(members, form)) return
  const other = others.find((candidate) => hasForm(members, candidate))
  if (other) throw new FuncError(`x509: failed to parse private key (use ${other.parser} instead for this key format)`)
  const prefix = form === sec1 ? 'x509: failed to parse EC private key: ' : ''
  const isCutOff = members.every(({ tag }, index) => tag === form.tags[index])
  throw new FuncError(`${prefix}asn1: ${isCutOff ? 'syntax error: sequence truncated' : "structure error: tags don't match"}`)
}

function hasForm(members: readonly Element[], form: Form): boolean {
  return form.tags.every((tag, index) => members[index]?.tag === tag)
}

function importKey(bytes: Buffer, { type }: Form): PrivateKey {
  const key = nodeKey(bytes, type)
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
  if (bits > maxRsaBits) throw new FuncError(`crypto/rsa: ${bits}-bit keys are larger than is allowed`)
  return wrap(key)
}

function nodeKey(bytes: Buffer, type: Form['type']): KeyObject {
  try {
    return createPrivateKey({ key: bytes, format: 'der', type })
  } catch {
    throw new FuncError('x509: failed to parse private key')
  }
}

/** The members of the sequence that a key is. @throws FuncError in the words of Go's asn1, for the Go structure of this name */
function membersOf(bytes: Buffer, structure: string): readonly Element[] {
  if (bytes.length === 0) throw new FuncError('asn1: syntax error: sequence truncated')
  const element = elementAt(bytes, 0)
  const header = headerOf(bytes)
  if (!header) throw new FuncError('asn1: syntax error: truncated tag or length')
  if (bytes[0] !== tags.sequence) {
    const { tagClass, tag, length, isCompound, end } = header
    throw new FuncError(
      `asn1: structure error: tags don't match (16 vs {class:${tagClass} tag:${tag} length:${length} isCompound:${isCompound}}) ` +
        '{optional:false explicit:false application:false private:false defaultValue:<nil> tag:<nil> stringType:0 timeType:0 set:false ' +
        `omitEmpty:false} ${structure} @${end}`,
    )
  }
  if (!element) throw new FuncError('asn1: syntax error: data truncated')
  return elementsOf(element.content) ?? []
}

/** The tag and length at the start of some bytes, apart; undefined when they are cut off. */
function headerOf(bytes: Buffer) {
  const [first = 0, second] = bytes
  if (second === undefined) return undefined
  const size = second < 0x80 ? 0 : second & 0x7f
  if (bytes.length < 2 + size) return undefined
  const length = size === 0 ? second : Number(bigIntOf(bytes.subarray(2, 2 + size)))
  return { tagClass: first >> 6, tag: first & 0x1f, isCompound: (first & 0x20) !== 0, length, end: 2 + size }
}
