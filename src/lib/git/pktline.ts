/** Git's framing: packets with their length in front, and three special ones. Source: gitprotocol-common(5). */
import { GitError } from './errors.ts'

export type Packet = Buffer | 'flush' | 'delimiter' | 'end'

export const flush = '0000'
export const delimiter = '0001'

const specialPackets = new Map<number, Packet>([
  [0, 'flush'],
  [1, 'delimiter'],
  [2, 'end'],
])

/** A packet that holds a line of text. */
export function packetLine(text: string): string {
  const length = Buffer.byteLength(text) + 5
  return `${length.toString(16).padStart(4, '0')}${text}\n`
}

/** The text of a packet without the line's end. */
export function textOf(packet: Buffer): string {
  return packet.toString('utf8').replace(/\n$/, '')
}

/**
 * The packets of a stream.
 * @throws GitError `protocol` for a malformed length and for a stream that ends within a packet.
 */
export async function* readPackets(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Packet> {
  let buffered: Buffer = Buffer.alloc(0)
  for await (const chunk of chunks) {
    const arrived = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    buffered = buffered.length === 0 ? arrived : Buffer.concat([buffered, arrived])
    while (buffered.length >= 4) {
      const length = lengthOf(buffered)
      const special = specialPackets.get(length)
      if (!special && buffered.length < length) break
      yield special ?? buffered.subarray(4, length)
      buffered = buffered.subarray(special ? 4 : length)
    }
  }
  if (buffered.length > 0) throw new GitError('network', 'the connection was cut within an answer')
}

function lengthOf(buffered: Buffer): number {
  const digits = buffered.toString('latin1', 0, 4)
  const length = /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : 3
  if (length === 3) throw new GitError('protocol', `the answer is not in Git's protocol: it holds ${JSON.stringify(digits)}`)
  return length
}
