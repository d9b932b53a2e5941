/** X.509 certificates, byte for byte as Go's crypto/x509 writes them (but for what is random in them). Source: Go crypto/x509 x509.go, parser.go. */

import { createHash, createPublicKey, type KeyObject, sign, X509Certificate } from 'node:crypto'
import { FuncError } from '../func.ts'
import { quote } from '../strconv.ts'
import { bytesOf } from '../value.ts'
import { bigIntOf, bitString, der, type Element, elementAt, elementsOf, integerElement, objectId, sequence, tags } from './der.ts'
import type { PrivateKey } from './privatekey.ts'

/** What a certificate says. */
export interface CertificateTemplate {
  readonly serial: Uint8Array
  readonly commonName: string
  readonly dnsNames: readonly string[]
  /** Of 4 or 16 bytes each. */
  readonly ips: readonly Uint8Array[]
  /** Seconds since the epoch. */
  readonly notBefore: bigint
  readonly notAfter: bigint
  readonly isCa: boolean
}

/** Who signs a certificate: itself when `certificate` is absent. */
export interface Signer {
  readonly key: PrivateKey
  readonly certificate?: IssuerCertificate
}

/** What a certificate takes over from that of its issuer. */
export interface IssuerCertificate {
  readonly subject: Buffer
  readonly subjectKeyId: Buffer | undefined
  readonly publicKey: KeyObject
}

const sha256WithRsa = sequence(objectId('1.2.840.113549.1.1.11'), der(tags.null))
const ed25519 = sequence(objectId('1.3.101.112'))

/** Signature algorithms of elliptic curves: the hash is as long as the curve. */
const curves: ReadonlyMap<string, { readonly hash: string; readonly algorithm: Buffer }> = new Map([
  ['secp224r1', { hash: 'sha256', algorithm: sequence(objectId('1.2.840.10045.4.3.2')) }],
  ['prime256v1', { hash: 'sha256', algorithm: sequence(objectId('1.2.840.10045.4.3.2')) }],
  ['secp384r1', { hash: 'sha384', algorithm: sequence(objectId('1.2.840.10045.4.3.3')) }],
  ['secp521r1', { hash: 'sha512', algorithm: sequence(objectId('1.2.840.10045.4.3.4')) }],
])

/**
 * Makes a certificate for a key, in DER.
 * @throws FuncError with Go's text
 */
export function createCertificate(template: CertificateTemplate, owner: PrivateKey, signer: Signer): Buffer {
  const signing = signatureOf(signer.key)
  const spki = publicKeyInfo(owner)
  const subject = nameOf(template.commonName)
  const issuer = signer.certificate?.subject ?? subject
  // Not by KeyObject.equals: for keys of two kinds it leaves an error behind in OpenSSL, which the next reading of a key reports.
  if (signer.certificate && !spkiOf(publicKeyOf(signer.key)).equals(spkiOf(signer.certificate.publicKey))) {
    throw new FuncError("x509: provided PrivateKey doesn't match parent's PublicKey")
  }
  const authorityKeyId = issuer.equals(subject) ? undefined : signer.certificate?.subjectKeyId
  const extensions = extensionsOf(template, { spki, authorityKeyId, isSubjectEmpty: template.commonName === '' })
  const body = sequence(
    der(0xa0, integerElement(2n)),
    integerElement(bigIntOf(template.serial)),
    signing.algorithm,
    issuer,
    sequence(timeElement(template.notBefore), timeElement(template.notAfter)),
    subject,
    spki,
    der(0xa3, sequence(...extensions)),
  )
  return sequence(body, signing.algorithm, bitString(signing.sign(body)))
}

interface Signing {
  readonly algorithm: Buffer
  readonly sign: (body: Uint8Array) => Buffer
}

function signatureOf({ kind, key }: PrivateKey): Signing {
  if (!key || kind === 'dsa' || kind === 'x25519')
    throw new FuncError('x509: certificate private key does not implement crypto.Signer')
  if (kind === 'ed25519') return { algorithm: ed25519, sign: (body) => sign(null, body, key) }
  if (kind === 'rsa') return { algorithm: sha256WithRsa, sign: (body) => signWithRsa(body, key) }
  const curve = curves.get(key.asymmetricKeyDetails?.namedCurve ?? '')
  if (!curve) throw new FuncError('x509: unsupported elliptic curve')
  return { algorithm: curve.algorithm, sign: (body) => sign(curve.hash, body, key) }
}

function signWithRsa(body: Uint8Array, key: KeyObject): Buffer {
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
  if (bits < 1024) {
    throw new FuncError(`crypto/rsa: ${bits}-bit keys are insecure (see https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size)`)
  }
  return sign('sha256', body, key)
}

function publicKeyOf({ key }: PrivateKey): KeyObject {
  if (!key) throw new FuncError('x509: certificate private key does not implement crypto.Signer')
  return createPublicKey(key)
}

function publicKeyInfo(owner: PrivateKey): Buffer {
  if (owner.kind === 'dsa') throw new FuncError('x509: unsupported public key type: *dsa.PublicKey')
  if (owner.kind === 'x25519') throw new FuncError('x509: unsupported public key type: *ecdh.PublicKey')
  return spkiOf(publicKeyOf(owner))
}

function spkiOf(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' })
}

/** A name that has only a common name, or nothing. */
function nameOf(commonName: string): Buffer {
  if (commonName === '') return sequence()
  if (!commonName.isWellFormed()) throw new FuncError('asn1: string not valid UTF-8')
  const tag = /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(commonName) ? tags.printableString : tags.utf8String
  return sequence(der(tags.set, sequence(objectId('2.5.4.3'), der(tag, bytesOf(commonName)))))
}

/** UTCTime for the years that it can say, GeneralizedTime for others. */
function timeElement(seconds: bigint): Buffer {
  const date = new Date(Number(seconds) * 1000)
  const year = date.getUTCFullYear()
  if (!(year >= 0 && year <= 9999)) throw new FuncError('asn1: structure error: cannot represent time as GeneralizedTime')
  const rest = [date.getUTCMonth() + 1, date.getUTCDate(), date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()]
  const text = `${rest.map((part) => String(part).padStart(2, '0')).join('')}Z`
  if (year >= 1950 && year < 2050) return der(tags.utcTime, Buffer.from(String(year % 100).padStart(2, '0') + text))
  return der(tags.generalizedTime, Buffer.from(String(year).padStart(4, '0') + text))
}

interface ExtensionContext {
  readonly spki: Buffer
  readonly authorityKeyId: Buffer | undefined
  readonly isSubjectEmpty: boolean
}

/** In Go's order. */
function extensionsOf(
  template: CertificateTemplate,
  { spki, authorityKeyId, isSubjectEmpty }: ExtensionContext,
): readonly Buffer[] {
  const { isCa, dnsNames, ips } = template
  // Digital signature, key encipherment and, of an authority, signing of certificates.
  const keyUsage = isCa ? bitString(Buffer.from([0xa4]), 2) : bitString(Buffer.from([0xa0]), 5)
  const extendedKeyUsage = sequence(objectId('1.3.6.1.5.5.7.3.1'), objectId('1.3.6.1.5.5.7.3.2'))
  const extensions = [
    extension('2.5.29.15', keyUsage, { isCritical: true }),
    extension('2.5.29.37', extendedKeyUsage),
    extension('2.5.29.19', isCa ? sequence(der(tags.boolean, Buffer.from([0xff]))) : sequence(), { isCritical: true }),
  ]
  if (isCa) extensions.push(extension('2.5.29.14', der(tags.octetString, keyIdOf(spki))))
  if (authorityKeyId) extensions.push(extension('2.5.29.35', sequence(der(0x80, authorityKeyId))))
  if (dnsNames.length + ips.length > 0) {
    extensions.push(extension('2.5.29.17', alternativeNames(dnsNames, ips), { isCritical: isSubjectEmpty }))
  }
  return extensions
}

function extension(id: string, value: Buffer, { isCritical = false } = {}): Buffer {
  const critical = isCritical ? [der(tags.boolean, Buffer.from([0xff]))] : []
  return sequence(objectId(id), ...critical, der(tags.octetString, value))
}

function alternativeNames(dnsNames: readonly string[], ips: readonly Uint8Array[]): Buffer {
  const names = dnsNames.map((name) => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: IA5 is ASCII with its control characters
    if (!/^[\x00-\x7f]*$/.test(name)) throw new FuncError(`x509: ${quote(name)} cannot be encoded as an IA5String`)
    return der(0x82, bytesOf(name))
  })
  return sequence(...names, ...ips.map((ip) => der(0x87, ip)))
}

/** RFC 7093: the first 160 bits of the hash of the public key. */
function keyIdOf(spki: Buffer): Buffer {
  const key = membersOf(elementAt(spki, 0)?.content)?.[1]
  return createHash('sha256')
    .update(key?.content.subarray(1) ?? Buffer.alloc(0))
    .digest()
    .subarray(0, 20)
}

/**
 * Reads of a certificate in DER what the ones that it signs need.
 * @throws FuncError with Go's text
 */
export function parseCertificate(bytes: Buffer): IssuerCertificate {
  const whole = elementAt(bytes, 0)
  if (whole?.tag !== tags.sequence) throw new FuncError('x509: malformed certificate')
  if (whole.whole.length < bytes.length) throw new FuncError('x509: trailing data')
  const body = elementAt(whole.content, 0)
  const members = membersOf(body?.content)
  if (body?.tag !== tags.sequence || !members) throw new FuncError('x509: malformed tbs certificate')
  const fields = members[0]?.tag === 0xa0 ? members.slice(1) : members
  const expected = [tags.integer, ...Array.from(certificateParts, () => tags.sequence)]
  const bad = expected.findIndex((tag, index) => fields[index]?.tag !== tag)
  if (bad >= 0) throw new FuncError(`x509: malformed ${['serial number', ...certificateParts][bad]}`)
  return {
    subject: fields[4]?.whole ?? sequence(),
    subjectKeyId: subjectKeyIdIn(fields.find(({ tag }) => tag === 0xa3)),
    publicKey: publicKeyIn(bytes),
  }
}

/** What follows the serial number. (Go says issuer of a subject too.) */
const certificateParts = ['signature algorithm identifier', 'issuer', 'validity', 'issuer', 'spki'] as const

function membersOf(content: Buffer | undefined): readonly Element[] | undefined {
  return content && elementsOf(content)
}

function subjectKeyIdIn(extensions: Element | undefined): Buffer | undefined {
  const list = membersOf(membersOf(extensions?.content)?.[0]?.content) ?? []
  const wanted = objectId('2.5.29.14')
  const found = list.map(({ content }) => membersOf(content) ?? []).find(([id]) => id?.whole.equals(wanted))
  const value = found?.at(-1)?.content
  return value && elementAt(value, 0)?.content
}

function publicKeyIn(bytes: Buffer): KeyObject {
  try {
    return new X509Certificate(bytes).publicKey
  } catch {
    throw new FuncError('x509: malformed certificate')
  }
}
