import { createHash } from 'node:crypto'
import { createCleartextMessage, generateKey, type PrivateKey, readPrivateKey, sign } from 'openpgp'
import { beforeAll, describe, expect, it } from 'vitest'
import { type ProvenanceInput, verifyProvenance } from '../../../src/lib/chart/provenance.ts'

const archive = Buffer.from('not really a package')
const sum = `sha256:${createHash('sha256').update(archive).digest('hex')}`
const text = `apiVersion: v2\nname: app\ndescription: |\n  - a dash\n\n...\nfiles:\n  app-1.0.0.tgz: ${sum}\n`

interface Signer {
  readonly key: PrivateKey
  readonly publicKey: string
}

async function makeSigner(name: string, options: { type?: 'rsa' | 'ecc'; keyExpirationTime?: number } = {}): Promise<Signer> {
  const { privateKey, publicKey } = await generateKey({
    userIDs: [{ name, email: `${name}@example.com` }],
    type: options.type ?? 'ecc',
    ...(options.type === 'rsa' ? { rsaBits: 2048 } : {}),
    ...(options.keyExpirationTime ? { keyExpirationTime: options.keyExpirationTime } : {}),
    format: 'armored',
  })
  return { key: await readPrivateKey({ armoredKey: privateKey }), publicKey }
}

async function signed(content: string, { key }: Signer): Promise<string> {
  return sign({ message: await createCleartextMessage({ text: content }), signingKeys: key })
}

let ann: Signer
let bob: Signer
let input: ProvenanceInput

beforeAll(async () => {
  ann = await makeSigner('ann', { keyExpirationTime: 3600 })
  bob = await makeSigner('bob', { type: 'rsa' })
  input = {
    archive,
    archiveName: 'app-1.0.0.tgz',
    provenance: await signed(text, ann),
    keyring: Buffer.from(ann.publicKey),
    now: Date.now() + 1000,
  }
})

/** A GnuPG keybox with a header and the keys in blobs of their own. */
function keybox(...keys: readonly { readonly bytes: Uint8Array; readonly flags?: number }[]): Buffer {
  const header = Buffer.alloc(32)
  header.writeUInt32BE(32, 0)
  header.writeUInt8(1, 4)
  header.write('KBXf', 8)
  const blobs = keys.map(({ bytes, flags = 0 }) => {
    const blob = Buffer.alloc(20 + bytes.length)
    blob.writeUInt32BE(blob.length, 0)
    blob.writeUInt8(2, 4)
    blob.writeUInt16BE(flags, 6)
    blob.writeUInt32BE(20, 8)
    blob.writeUInt32BE(bytes.length, 12)
    blob.set(bytes, 20)
    return blob
  })
  return Buffer.concat([header, ...blobs])
}

describe('verifyProvenance', () => {
  it('says who signed and what', async () => {
    expect(await verifyProvenance(input)).toEqual({
      signedBy: ['ann <ann@example.com>'],
      fingerprint: ann.key.getFingerprint().toUpperCase(),
      fileHash: sum,
    })
  })

  it('reads keyrings of packets, keyboxes and armored keys one after the other', async () => {
    const packets = Buffer.concat([bob, ann].map(({ key }) => key.toPublic().write()))
    const ephemeral = { bytes: bob.key.toPublic().write(), flags: 2 }
    const rings = [packets, keybox(ephemeral, { bytes: packets }), Buffer.from(`${bob.publicKey}\n${ann.publicKey}`)]
    for (const keyring of rings) expect((await verifyProvenance({ ...input, keyring })).signedBy).toEqual(['ann <ann@example.com>'])
  })

  it.each<[string, () => Partial<ProvenanceInput> | Promise<Partial<ProvenanceInput>>, string]>([
    ['nobody known', () => ({ keyring: Buffer.from(bob.publicKey) }), 'openpgp: signature made by unknown entity'],
    [
      'another package',
      () => ({ archive: Buffer.from('x') }),
      `sha256 sum does not match for app-1.0.0.tgz: "${sum}" != "sha256:2d711642`,
    ],
    ['another name', () => ({ archiveName: 'b.tgz' }), 'provenance does not contain a SHA for a file named "b.tgz"'],
    ['no message', () => ({ provenance: 'x' }), 'signature block not found'],
    [
      'a changed message',
      () => ({ provenance: input.provenance.replace('app', 'apq') }),
      'openpgp: invalid signature: EdDSA verification failure',
    ],
    [
      'a message changed after RSA signed it',
      async () => ({ provenance: (await signed(text, bob)).replace('app', 'apq'), keyring: Buffer.from(bob.publicKey) }),
      'openpgp: invalid signature: RSA verification failure',
    ],
    ['a key that has expired', () => ({ now: input.now + 7_200_000 }), 'openpgp: key expired'],
    ['a signature from the future', () => ({ now: input.now - 7_200_000 }), 'openpgp: signature expired'],
    ['one part only', async () => ({ provenance: await signed('files: {}\n', ann) }), 'message block must have at least two parts'],
    [
      'a broken keybox',
      () => ({ keyring: keybox({ bytes: Buffer.alloc(0) }).subarray(0, 40) }),
      'failed to load keyring: blob at offset 32',
    ],
    ['an empty keybox', () => ({ keyring: keybox() }), 'failed to load keyring: keybox contains no OpenPGP keys'],
  ])('refuses %s', async (_, change, message) => {
    const changed = await change()
    await expect(verifyProvenance({ ...input, ...changed })).rejects.toThrow(message)
  })
})
