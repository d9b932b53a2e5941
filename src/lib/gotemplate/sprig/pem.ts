/** PEM: binary data between lines that say what it is. Source: Go encoding/pem. */

import { base64Problem } from './encoding.ts'

export interface PemBlock {
  /** As `RSA PRIVATE KEY`. */
  readonly type: string
  readonly bytes: Buffer
}

/** A block with lines of 64 characters. */
export function encodePem(type: string, bytes: Uint8Array): string {
  const lines = Buffer.from(bytes)
    .toString('base64')
    .replace(/.{1,64}/g, '$&\n')
  return `-----BEGIN ${type}-----\n${lines}-----END ${type}-----\n`
}

/** The first block of a text; undefined when there is none. What is no block is skipped. */
export function decodePem(text: string): PemBlock | undefined {
  const ends = text.matchAll(/(?<=\n)-----END (?<type>.*?)-----[ \t]*\r?(?:\n|$)/g)
  let from = 0
  for (const end of ends) {
    const block = blockIn(text.slice(from, end.index), end.groups?.type ?? '')
    if (block) return block
    from = end.index + end[0].length
  }
  return undefined
}

/** The block that the last BEGIN line before an END line opens. */
function blockIn(text: string, type: string): PemBlock | undefined {
  const begin = text.lastIndexOf('-----BEGIN ')
  if (begin < 0 || (begin > 0 && text[begin - 1] !== '\n')) return undefined
  const [title = '', ...lines] = text.slice(begin).split('\n')
  if (title.trimEnd() !== `-----BEGIN ${type}-----`) return undefined
  const firstOfBody = lines.findIndex((line) => !line.includes(':'))
  const body = lines.slice(Math.max(0, firstOfBody)).join('\n').replace(/[ \t]/g, '')
  if (firstOfBody < 0 || base64Problem(body) !== undefined) return undefined
  return { type, bytes: Buffer.from(body, 'base64') }
}
