/** sprig's base64 and base32. A text that cannot be decoded gives the text of the error. Source: sprig strings.go, Go encoding. */

import { type Func, func, p } from '../func.ts'
import { bytesOf, textOf } from '../value.ts'
import { binary } from './text.ts'

export function encodingFunctions(): ReadonlyMap<string, Func> {
  return new Map([
    ['b64enc', func([p.string], p.string, (text) => Buffer.from(bytesOf(text)).toString('base64'))],
    ['b64dec', func([p.string], p.string, decodeBase64)],
    ['b32enc', func([p.string], p.string, (text) => encodeBase32(bytesOf(text)))],
    ['b32dec', func([p.string], p.string, decodeBase32)],
  ])
}

function decodeBase64(text: string): string {
  const problem = base64Problem(binary(text))
  return problem === undefined ? textOf(Buffer.from(text, 'base64')) : `illegal base64 data at input byte ${problem}`
}

const base64Digit = /[A-Za-z0-9+/]/
const lineEnds = /[\r\n]*/y

/** The byte at which Go's decoder gives up. Source: Go encoding/base64 decodeQuantum. */
export function base64Problem(bytes: string): number | undefined {
  // What nearly all texts are.
  if (bytes.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(bytes) && !/^={1,2}$/.test(bytes)) return undefined
  let digits = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? ''
    if (base64Digit.test(byte)) digits = (digits + 1) % 4
    else if (byte === '=') return digits < 2 ? at : paddingProblem(bytes, at + 1, digits)
    else if (byte !== '\n' && byte !== '\r') return at
  }
  return digits === 0 ? undefined : bytes.length - digits
}

/** After the first `=`. */
function paddingProblem(bytes: string, from: number, digits: number): number | undefined {
  let at = from
  if (digits === 2) {
    at = afterLineEnds(bytes, at)
    if (at === bytes.length) return at
    if (bytes[at] !== '=') return at - 1
    at++
  }
  at = afterLineEnds(bytes, at)
  return at < bytes.length ? at : undefined
}

function afterLineEnds(bytes: string, from: number): number {
  lineEnds.lastIndex = from
  lineEnds.test(bytes)
  return lineEnds.lastIndex
}

const base32Digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
/** How many digits the last group may not have before its padding: they hold no whole byte. */
const impossibleDigits = [1, 3, 6]

function encodeBase32(bytes: Uint8Array): string {
  let out = ''
  for (let start = 0; start < bytes.length; start += 5) {
    const group = bytes.subarray(start, start + 5)
    const bits = Array.from(group, (byte) => byte.toString(2).padStart(8, '0')).join('')
    const digits = bits.match(/.{1,5}/g) ?? []
    out += digits
      .map((digit) => base32Digits[Number.parseInt(digit.padEnd(5, '0'), 2)])
      .join('')
      .padEnd(8, '=')
  }
  return out
}

function decodeBase32(text: string): string {
  const bytes = binary(text).replace(/[\r\n]/g, '')
  const { digits, problem } = readBase32(bytes)
  if (problem !== undefined) return `illegal base32 data at input byte ${problem}`
  const decoded = Buffer.alloc(Math.floor((digits * 5) / 8))
  for (let at = 0, bits = 0, held = 0, written = 0; at < digits; at++) {
    held = ((held << 5) | base32Digits.indexOf(bytes[at] ?? '')) & 0xfff
    bits += 5
    if (bits < 8) continue
    bits -= 8
    decoded[written++] = held >> bits
  }
  return textOf(decoded)
}

/** How many digits there are, and the byte at which Go's decoder gives up. Source: Go encoding/base32 decode. */
function readBase32(bytes: string): { digits: number; problem?: number } {
  for (let at = 0; at < bytes.length; at++) {
    const inGroup = at % 8
    const left = bytes.length - at - 1
    if (bytes[at] === '=' && inGroup >= 2 && left < 8) return { digits: at, ...base32Padding(bytes, at, inGroup) }
    if (!base32Digits.includes(bytes[at] ?? '')) return { digits: at, problem: at }
  }
  const rest = bytes.length % 8
  return rest === 0 ? { digits: bytes.length } : { digits: bytes.length, problem: bytes.length - rest }
}

/** What follows the padding that a group needs is ignored. */
function base32Padding(bytes: string, at: number, inGroup: number): { problem?: number } {
  const needed = 7 - inGroup
  if (bytes.length - at - 1 < needed) return { problem: bytes.length }
  for (let k = 0; k < needed; k++) if (bytes[at + 1 + k] !== '=') return { problem: at + k }
  return impossibleDigits.includes(inGroup) ? { problem: at } : {}
}
