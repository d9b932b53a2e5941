/** Deltas: an object as copies from another and new bytes. Source: gitformat-pack(5), "Deltified representation". */
import { GitError } from './errors.ts'

/** @throws GitError `protocol` for a delta that does not fit its base, `tooLarge` beyond `maxBytes`. */
export function applyDelta(base: Buffer, delta: Buffer, maxBytes: number): Buffer {
  let at = 0
  const next = () => {
    const byte = delta[at++]
    if (byte === undefined) throw misfit()
    return byte
  }
  const size = () => {
    let value = 0
    for (let unit = 1; ; unit *= 128) {
      const byte = next()
      value += (byte & 127) * unit
      if (byte < 128) return value
    }
  }
  /** A little-endian number whose zero bytes are left out; `bits` says which are there. */
  const sparseNumber = (bits: number, bytes: number) => {
    let value = 0
    for (let i = 0; i < bytes; i++) if (bits & (1 << i)) value += next() * 256 ** i
    return value
  }

  if (size() !== base.length) throw misfit()
  const length = size()
  if (length > maxBytes) throw new GitError('tooLarge', `an object of ${length} bytes is larger than the limit of ${maxBytes}`)
  const result = Buffer.allocUnsafe(length)
  let filled = 0
  while (at < delta.length) {
    const instruction = next()
    const copies = instruction >= 128
    const source = copies ? base : delta
    const start = copies ? sparseNumber(instruction, 4) : at
    const count = copies ? sparseNumber(instruction >> 4, 3) || 0x10000 : instruction
    if (count === 0 || start + count > source.length || filled + count > length) throw misfit()
    source.copy(result, filled, start, start + count)
    filled += count
    if (!copies) at += count
  }
  if (filled !== length) throw misfit()
  return result
}

function misfit(): GitError {
  return new GitError('protocol', 'the pack is damaged: a delta does not fit its base')
}
