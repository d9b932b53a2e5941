/** Provenance of chart packages: who signed them, and that they are what was signed. Source: helm pkg/provenance/sign.go, go-crypto openpgp/read.go. */

import { createHash } from 'node:crypto'
import type { Key, SignaturePacket, Subkey } from 'openpgp'
import { BuildError, messageOf } from '../errors.ts'
import { quote } from '../gotemplate/strconv.ts'

import { type ClearSigned, readClearSigned } from './clearsign.ts'
import { readKeyring } from './keyring.ts'
import { readYaml } from './yaml.ts'

/** A package, what was signed of it, and who may have signed it. */
export interface ProvenanceInput {
  readonly archive: Uint8Array
  /** The file name of the package, as `app-1.0.0.tgz`. */
  readonly archiveName: string
  /** The content of the `.prov` file. */
  readonly provenance: string
  /** Public keys in any form that Helm reads: see keyring.ts. */
  readonly keyring: Uint8Array
  /** Milliseconds since the epoch: keys and signatures must not have expired by then. */
  readonly now: number
}

/** What `helm verify` prints. */
export interface Verification {
  /** The identities of the key: `Ann <ann@example.com>`. */
  readonly signedBy: readonly string[]
  /** Of the primary key, in upper case. */
  readonly fingerprint: string
  /** `sha256:` and the digest of the package. */
  readonly fileHash: string
}

/**
 * Verifies a package as `helm verify` does.
 * @throws BuildError in Helm's words when the keyring cannot be read, nobody in it signed, or something else was signed
 */
export async function verifyProvenance({ archive, archiveName, provenance, keyring, now }: ProvenanceInput): Promise<Verification> {
  const keys = await readKeyring(keyring)
  const message = readClearSigned(provenance)
  if (!message) throw new BuildError('signature block not found')
  const signer = await signerOf(message, keys, new Date(now))
  const fileHash = `sha256:${createHash('sha256').update(archive).digest('hex')}`
  const signedHash = signedHashes(message.text).get(archiveName)
  if (signedHash === undefined) throw new BuildError(`provenance does not contain a SHA for a file named ${quote(archiveName)}`)
  if (signedHash !== fileHash) {
    throw new BuildError(`sha256 sum does not match for ${archiveName}: ${quote(signedHash)} != ${quote(fileHash)}`)
  }
  return { signedBy: signer.getUserIDs(), fingerprint: signer.getFingerprint().toUpperCase(), fileHash }
}

/** The hashes by file name. They follow the chart's metadata, after the end of that document. */
function signedHashes(text: string): ReadonlyMap<string, string> {
  const [, sums] = text.split('\n...\n')
  if (sums === undefined) throw new BuildError('message block must have at least two parts')
  const document = readYaml(sums)
  const files = isRecord(document) && Object.hasOwn(document, 'files') ? document.files : undefined
  return new Map(isRecord(files) ? Object.entries(files).map(([name, hash]) => [name, String(hash)]) : [])
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The key of the keyring that made the first signature of which there is a key. */
async function signerOf(message: ClearSigned, keys: readonly Key[], now: Date): Promise<Key> {
  const openpgp = await import('openpgp')
  const { packets } = await openpgp.readSignature({ armoredSignature: message.armoredSignature }).catch((error: unknown) => {
    throw new BuildError(`openpgp: invalid data: ${messageOf(error)}`)
  })
  for (const packet of packets) {
    const found = keyOf(packet, keys)
    if (!found) continue
    await checkSignature(packet, message.signed, found.part, now)
    await checkKey(found, now)
    return found.key
  }
  throw new BuildError('openpgp: signature made by unknown entity')
}

/** A key of the keyring, and the part of it, itself or a subkey, that signed. */
interface SigningKey {
  readonly key: Key
  readonly part: Key | Subkey
}

function keyOf(packet: SignaturePacket, keys: readonly Key[]): SigningKey | undefined {
  for (const key of keys) {
    const [part] = key.getKeys(packet.issuerKeyID)
    if (part) return { key, part }
  }
  return undefined
}

async function checkSignature(packet: SignaturePacket, signed: Uint8Array, { keyPacket }: Key | Subkey, now: Date): Promise<void> {
  const openpgp = await import('openpgp')
  const { packets } = await openpgp.createMessage({ binary: signed })
  const [literal] = packets
  if (!literal || packet.signatureType === null) throw new BuildError('openpgp: invalid data: non signature packet found')
  try {
    await packet.verify(keyPacket, packet.signatureType, literal, now, true)
  } catch (error) {
    throw new BuildError(signatureProblem(messageOf(error), keyPacket.getAlgorithmInfo().algorithm), {}, { cause: error })
  }
}

/** The words of Go's library for those of OpenPGP.js. */
function signatureProblem(problem: string, algorithm: string): string {
  if (/creation time is in the future|is expired/.test(problem)) return 'openpgp: signature expired'
  if (/digest did not match|verification failed/.test(problem))
    return `openpgp: invalid signature: ${algorithmName(algorithm)} verification failure`
  return `openpgp: invalid signature: ${problem}`
}

const algorithmNames: ReadonlyMap<string, string> = new Map([
  ['eddsaLegacy', 'EdDSA'],
  ['ed25519', 'Ed25519'],
  ['ed448', 'Ed448'],
])

function algorithmName(algorithm: string): string {
  return algorithmNames.get(algorithm) ?? algorithm.replace(/[A-Z].*/, '').toUpperCase()
}

/** Neither the key nor the part that signed may be revoked or have expired. */
async function checkKey({ key, part }: SigningKey, now: Date): Promise<void> {
  if (await key.isRevoked(undefined, undefined, now)) throw new BuildError('openpgp: signature made by revoked key')
  for (const each of [key, part]) {
    const expiry = await each.getExpirationTime()
    if (expiry instanceof Date && expiry <= now) throw new BuildError('openpgp: key expired')
  }
}
