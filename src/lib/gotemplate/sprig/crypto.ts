/** sprig's functions of hashes, passwords, keys and encryption. Source: sprig crypto.go. */

import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'
import { encodeBase64, hashSync } from 'bcryptjs'
import type { Budget, Environment } from '../environment.ts'
import { type Func, FuncError, func, integer, p } from '../func.ts'
import { bytesOf, textOf, types } from '../value.ts'
import { certificateFunctions } from './certificates.ts'
import { base64Problem } from './encoding.ts'
import { derivePassword, isPasswordType } from './password.ts'
import { generatePrivateKey } from './privatekey.ts'
import { binary } from './text.ts'

/** What slow functions cost in steps of the budget: about as long as so many actions take. */
const costs = { bcrypt: 200_000, scrypt: 300_000 }

/** The functions by name; what they draw (salts, initial vectors, serial numbers) comes from the environment. */
export function cryptoFunctions(env: Environment): ReadonlyMap<string, Func> {
  const uint32 = integer(types.uint32)
  return new Map<string, Func>([
    ['sha1sum', hashFunction('sha1')],
    ['sha256sum', hashFunction('sha256')],
    ['sha512sum', hashFunction('sha512')],
    ['adler32sum', func([p.string], p.string, (text) => adler32(bytesOf(text)).toString())],
    ['bcrypt', func([p.string], p.string, (password) => bcrypt(password, env))],
    ['htpasswd', func([p.string, p.string], p.string, (user, password) => htpasswd(user, password, env))],
    [
      'derivePassword',
      func([uint32, p.string, p.string, p.string, p.string], p.string, (counter, type, password, user, site) => {
        if (!isPasswordType(type)) return `cannot find password template ${type}`
        env.budget.steps(costs.scrypt)
        return derivePassword(type, { counter, password, user, site })
      }),
    ],
    ['genPrivateKey', func([p.string], p.string, (type) => generatePrivateKey(type, env.budget))],
    ['encryptAES', func([p.string, p.string], p.string, (password, text) => encryptAes(password, text, env))],
    ['decryptAES', func([p.string, p.string], p.string, (password, text) => decryptAes(password, text, env.budget))],
    ...certificateFunctions(env),
  ])
}

function hashFunction(algorithm: string): Func {
  return func([p.string], p.string, (text) => createHash(algorithm).update(bytesOf(text)).digest('hex'))
}

function adler32(bytes: Uint8Array): number {
  let low = 1
  let high = 0
  for (const byte of bytes) {
    low = (low + byte) % 65_521
    high = (high + low) % 65_521
  }
  return high * 65_536 + low
}

function bcrypt(password: string, env: Environment): string {
  if (bytesOf(password).length > 72) return 'failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes'
  env.budget.steps(costs.bcrypt)
  return hashSync(password, `$2a$10$${encodeBase64(env.random(16), 16)}`)
}

function htpasswd(user: string, password: string, env: Environment): string {
  return user.includes(':') ? `invalid username: ${user}` : `${user}:${bcrypt(password, env)}`
}

const blockSize = 16

/** The password itself, cut or filled up with zeros to 256 bits. */
function aesKey(password: string): Buffer {
  const key = Buffer.alloc(32)
  key.set(bytesOf(password).subarray(0, 32))
  return key
}

/** AES-256 in CBC mode: the initial vector, then the text. */
function encryptAes(password: string, text: string, env: Environment): string {
  if (text === '') return ''
  env.budget.text(text.length * 2)
  const vector = env.random(blockSize)
  const cipher = createCipheriv('aes-256-cbc', aesKey(password), vector)
  return Buffer.concat([vector, cipher.update(bytesOf(text)), cipher.final()]).toString('base64')
}

/** Go does not look at the padding but for its length, and panics where that, or the text, is too short. */
function decryptAes(password: string, text: string, budget: Budget): string {
  if (text === '') return ''
  budget.text(text.length)
  const binaryText = binary(text)
  const problem = base64Problem(binaryText)
  if (problem !== undefined) throw new FuncError(`illegal base64 data at input byte ${problem}`)
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length < blockSize) throw new FuncError(tooShort(bytes.length, Math.floor(binaryText.length / 4) * 3))
  if (bytes.length % blockSize !== 0) throw new FuncError('crypto/cipher: input not full blocks')
  if (bytes.length === blockSize) throw new FuncError('runtime error: index out of range [-1]')
  const decipher = createDecipheriv('aes-256-cbc', aesKey(password), bytes.subarray(0, blockSize)).setAutoPadding(false)
  const plain = Buffer.concat([decipher.update(bytes.subarray(blockSize)), decipher.final()])
  const end = plain.length - (plain.at(-1) ?? 0)
  if (end < 0) throw new FuncError(`runtime error: slice bounds out of range [:${end}]`)
  return textOf(plain.subarray(0, end))
}

/** Go's buffer has room for what the text would give without line ends and padding. */
function tooShort(length: number, capacity: number): string {
  if (capacity < blockSize) return `runtime error: slice bounds out of range [:${blockSize}] with capacity ${capacity}`
  return `runtime error: slice bounds out of range [${blockSize}:${length}]`
}
