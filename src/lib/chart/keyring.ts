/** Files of OpenPGP keys, in the forms in which Helm reads them. Source: helm pkg/provenance/sign.go, keybox.go. */

import type { Key } from 'openpgp'
import { BuildError, messageOf } from '../errors.ts'

/**
 * The keys of a keyring: packets as GnuPG's pubring.gpg has them, a GnuPG keybox (pubring.kbx), or armored keys, one after the other.
 * @throws BuildError
 */
export async function readKeyring(data: Uint8Array): Promise<readonly Key[]> {
  try {
    return await readKeys(Buffer.from(data))
  } catch (error) {
    throw new BuildError(`failed to load keyring: ${messageOf(error)}`, {}, { cause: error })
  }
}

async function readKeys(data: Buffer): Promise<readonly Key[]> {
  // At the first use only: it is large, and few charts are verified.
  const openpgp = await import('openpgp')
  if (isKeybox(data)) return openpgp.readKeys({ binaryKeys: keyblocks(data) })
  const blocks = armoredBlocks(data.toString('latin1'))
  if (!blocks) return openpgp.readKeys({ binaryKeys: data })
  const keys = await Promise.all(blocks.map((armoredKeys) => openpgp.readKeys({ armoredKeys })))
  if (keys.length === 0) throw new Error('no keys found')
  return keys.flat()
}

function armoredBlocks(text: string): readonly string[] | undefined {
  if (!text.trimStart().startsWith('-----BEGIN PGP')) return undefined
  return text.match(/-----BEGIN PGP (?<type>[A-Z ]+)-----[\s\S]*?-----END PGP \k<type>-----/g) ?? []
}

const headerBlob = 1
const keyBlob = 2
/** GnuPG passes over what is not, or not yet, part of the keyring. */
const ephemeral = 0x0002

function isKeybox(data: Buffer): boolean {
  return data.length >= 12 && data[4] === headerBlob && data.toString('latin1', 8, 12) === 'KBXf'
}

/** The packets of the keys in a keybox, which is a row of blobs: length, type, version, flags, and where the keys are in it. */
function keyblocks(data: Buffer): Buffer {
  const blocks: Buffer[] = []
  for (let offset = 0; offset < data.length; ) {
    const blob = blobAt(data, offset)
    if (blob[4] === keyBlob) {
      if (blob.length < 16) throw new Error(`OpenPGP blob at offset ${offset} is too short`)
      const start = blob.readUInt32BE(8)
      const end = start + blob.readUInt32BE(12)
      if (end > blob.length) throw new Error(`OpenPGP blob at offset ${offset} has an out-of-range keyblock`)
      if ((blob.readUInt16BE(6) & ephemeral) === 0) blocks.push(blob.subarray(start, end))
    }
    offset += blob.length
  }
  if (blocks.length === 0) throw new Error('keybox contains no OpenPGP keys')
  return Buffer.concat(blocks)
}

const minBlobLength = 5

function blobAt(data: Buffer, offset: number): Buffer {
  const rest = data.length - offset
  if (rest < minBlobLength) throw new Error(`truncated blob header at offset ${offset}`)
  const length = data.readUInt32BE(offset)
  if (length < minBlobLength) throw new Error(`invalid blob length ${length} at offset ${offset}`)
  if (length > rest) throw new Error(`blob at offset ${offset} has length ${length} exceeding the ${rest} remaining bytes`)
  return data.subarray(offset, offset + length)
}
