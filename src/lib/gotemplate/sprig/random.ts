/** sprig's random functions, all of whose choices come from the environment. Source: sprig strings.go, numeric.go, goutils cryptorandomstringutils.go. */

import type { Environment } from '../environment.ts'
import { type Func, FuncError, func, p } from '../func.ts'

const digits = '0123456789'
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const printable = String.fromCharCode(...Array.from({ length: 127 - 32 }, (_, index) => index + 32))

/** The functions by name. */
export function randomFunctions(env: Environment): ReadonlyMap<string, Func> {
  return new Map<string, Func>([
    ['randAlphaNum', randomText(env, letters + digits)],
    ['randAlpha', randomText(env, letters)],
    ['randNumeric', randomText(env, digits)],
    ['randAscii', randomText(env, printable)],
    ['randBytes', func([p.int], p.string, (count) => randomBytes(env, count))],
    ['randInt', func([p.int, p.int], p.int, (min, max) => randomInt(env, min, max))],
    ['shuffle', func([p.string], p.string, (text) => shuffle(env, text))],
    ['uuidv4', func([], p.string, () => uuid(env.random(16)))],
  ])
}

/** A function of a length, which gives so many of some characters; none for a negative length. */
function randomText(env: Environment, characters: string): Func {
  return func([p.int], p.string, (count) => {
    const length = Math.max(0, Number(count))
    charge(env, length)
    return randomNumbers(env, length, characters.length)
      .map((index) => characters[index] ?? '')
      .join('')
  })
}

const bytesPerNumber = 6

/**
 * Numbers below a bound. 48 bits each: what is left over by the division is too small a part of them to be seen, and unlike drawing
 * again until a number fits, this ends whatever the source gives.
 */
function randomNumbers(env: Environment, count: number, bound: number): number[] {
  const bytes = Buffer.from(env.random(count * bytesPerNumber))
  return Array.from({ length: count }, (_, index) => bytes.readUIntBE(index * bytesPerNumber, bytesPerNumber) % bound)
}

function charge({ budget }: Environment, length: number): void {
  budget.text(length)
  budget.steps(length)
}

function randomBytes(env: Environment, count: bigint): string {
  if (count < 0n) throw new FuncError('runtime error: makeslice: len out of range')
  const length = Number(count)
  charge(env, length * 2)
  return Buffer.from(env.random(length)).toString('base64')
}

/** From a minimum up to, but without, a maximum. */
function randomInt(env: Environment, min: bigint, max: bigint): bigint {
  const span = BigInt.asIntN(64, max - min)
  if (span <= 0n) throw new FuncError('invalid argument to Intn')
  const number = Buffer.from(env.random(16)).toString('hex')
  return BigInt.asIntN(64, min + (BigInt(`0x${number}`) % span))
}

function shuffle(env: Environment, text: string): string {
  charge(env, text.length)
  // Go takes the text apart into characters: a byte that belongs to none becomes U+FFFD.
  const characters = [...text.toWellFormed()]
  const draws = randomNumbers(env, characters.length, Number.MAX_SAFE_INTEGER)
  for (let last = characters.length - 1; last > 0; last--) {
    const other = (draws[last] ?? 0) % (last + 1)
    const moved = characters[last] ?? ''
    characters[last] = characters[other] ?? ''
    characters[other] = moved
  }
  return characters.join('')
}

/** A UUID of version 4 from 16 random bytes. */
function uuid(random: Uint8Array): string {
  const bytes = Buffer.from(random)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}
