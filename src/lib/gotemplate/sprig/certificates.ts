/** sprig's functions of certificates. Source: sprig crypto.go. */

import { isIPv4, isIPv6 } from 'node:net'
import type { Environment } from '../environment.ts'
import { sprintf } from '../format.ts'
import { type Func, FuncError, func, p, param } from '../func.ts'
import { anySlice, type GoType, itemsOf, Struct, textOf, types, type Value } from '../value.ts'
import { base64Problem } from './encoding.ts'
import { decodePem, encodePem } from './pem.ts'
import { certificateKey, type PrivateKey, parsePrivateKey } from './privatekey.ts'
import { binary } from './text.ts'
import { type CertificateTemplate, createCertificate, parseCertificate, type Signer } from './x509.ts'

/** sprig's type of a certificate with its key, both PEM. */
const certificateType: GoType = {
  name: 'sprig.certificate',
  kind: 'struct',
  fields: [
    { name: 'Cert', type: types.string },
    { name: 'Key', type: types.string },
  ],
}

const certificateParam = param<Struct>(certificateType)

/** The functions by name; dates and serial numbers come from the environment, keys from the generator of node:crypto. */
export function certificateFunctions(env: Environment): ReadonlyMap<string, Func> {
  const newKey = () => certificateKey(env.budget)
  const givenKey = (pem: string) => within('parsing private key', () => parsePrivateKey(pem))
  const authority = (commonName: string, days: bigint, key: PrivateKey): Struct =>
    issue({ ...templateOf({ commonName, ips: [], names: [], days }, env), isCa: true }, key, { key }, env)
  const selfSigned = (subject: Subject, key: PrivateKey): Struct => issue(templateOf(subject, env), key, { key }, env)
  const signed = (subject: Subject, ca: Struct, key: PrivateKey): Struct => {
    const signer = signerOf(ca)
    return issue(templateOf(subject, env), key, signer, env)
  }
  const list = param(anySlice)
  const subject = [p.string, list, list, p.int] as const
  return new Map([
    ['buildCustomCert', func([p.string, p.string], certificateParam, buildCustomCertificate)],
    ['genCA', func([p.string, p.int], certificateParam, (name, days) => authority(name, days, newKey()))],
    [
      'genCAWithKey',
      func([p.string, p.int, p.string], certificateParam, (name, days, key) => authority(name, days, givenKey(key))),
    ],
    [
      'genSelfSignedCert',
      func([...subject], certificateParam, (commonName, ips, names, days) =>
        selfSigned({ commonName, ips, names, days }, newKey()),
      ),
    ],
    [
      'genSelfSignedCertWithKey',
      func([...subject, p.string], certificateParam, (commonName, ips, names, days, key) =>
        selfSigned({ commonName, ips, names, days }, givenKey(key)),
      ),
    ],
    [
      'genSignedCert',
      func([...subject, certificateParam], certificateParam, (commonName, ips, names, days, ca) =>
        signed({ commonName, ips, names, days }, ca, newKey()),
      ),
    ],
    [
      'genSignedCertWithKey',
      func([...subject, certificateParam, p.string], certificateParam, (commonName, ips, names, days, ca, key) =>
        signed({ commonName, ips, names, days }, ca, givenKey(key)),
      ),
    ],
  ])
}

/** What the functions are told of a certificate. The lists may be nil, and hold anything. */
interface Subject {
  readonly commonName: string
  readonly ips: Value
  readonly names: Value
  readonly days: bigint
}

/** Puts what was being done before the text of an error. */
function within<Result>(what: string, work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    if (error instanceof FuncError) throw new FuncError(`${what}: ${error.message}`)
    throw error
  }
}

const nanosecondsPerDay = 86_400_000_000_000n

function templateOf({ commonName, ips, names, days }: Subject, env: Environment): CertificateTemplate {
  const [ipList, nameList] = [itemsOf(ips) ?? [], itemsOf(names) ?? []]
  env.budget.steps(ipList.length + nameList.length)
  const addresses = ipList.map(ipOf)
  const dnsNames = nameList.map((name) => {
    if (typeof name !== 'string')
      throw new FuncError(`error processing alternate dns name: ${sprintf('%v', [name])} is not a string`)
    return name
  })
  const now = BigInt(Math.floor(env.now() * 1000)) * 1000n
  // A time.Duration, which wraps after 292 years.
  const end = now + BigInt.asIntN(64, days * nanosecondsPerDay)
  const validity = { notBefore: floorToSeconds(now), notAfter: floorToSeconds(end) }
  return { serial: env.random(16), commonName, dnsNames, ips: addresses, ...validity, isCa: false }
}

function floorToSeconds(nanoseconds: bigint): bigint {
  const rest = ((nanoseconds % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n
  return (nanoseconds - rest) / 1_000_000_000n
}

function issue(template: CertificateTemplate, key: PrivateKey, signer: Signer, env: Environment): Struct {
  env.budget.steps(1000)
  const bytes = within('error creating certificate', () => createCertificate(template, key, signer))
  const cert = encodePem('CERTIFICATE', bytes)
  env.budget.text(cert.length + key.pem.length)
  return certificateValue(cert, key.pem)
}

function certificateValue(cert: string, key: string): Struct {
  return new Struct(
    certificateType,
    new Map([
      ['Cert', cert],
      ['Key', key],
    ]),
  )
}

function fieldText(certificate: Struct, name: string): string {
  const value = certificate.fields?.get(name)
  return typeof value === 'string' ? value : ''
}

function signerOf(ca: Struct): Signer {
  const block = decodePem(fieldText(ca, 'Cert'))
  if (!block) throw new FuncError('unable to decode certificate')
  const certificate = within('error parsing certificate: decodedSignerCert.Bytes', () => parseCertificate(block.bytes))
  return { certificate, key: within('error parsing private key', () => parsePrivateKey(fieldText(ca, 'Key'))) }
}

/** Takes a certificate and a key, each PEM in base64, as they are, when both can be read. */
function buildCustomCertificate(certificate: string, key: string): Struct {
  const cert = decodedBase64(certificate, 'certificate')
  const keyText = decodedBase64(key, 'private key')
  const block = decodePem(cert)
  if (!block) throw new FuncError('unable to decode certificate')
  within('error parsing certificate: decodedCert.Bytes', () => parseCertificate(block.bytes))
  within('error parsing private key', () => parsePrivateKey(keyText))
  return certificateValue(cert, keyText)
}

function decodedBase64(text: string, what: string): string {
  if (base64Problem(binary(text)) !== undefined) throw new FuncError(`unable to decode base64 ${what}`)
  return textOf(Buffer.from(text, 'base64'))
}

/** The bytes of an address: 4 of one of IPv4, also when it is written as one of IPv6. Source: Go net.ParseIP, IP.To4. */
function ipOf(value: Value): Uint8Array {
  if (typeof value !== 'string') throw new FuncError(`error parsing ip: ${sprintf('%v', [value])} is not a string`)
  if (isIPv4(value)) return Uint8Array.from(value.split('.'), Number)
  if (!isIPv6(value) || value.includes('%')) throw new FuncError(`error parsing ip: ${value}`)
  const bytes = ipv6Bytes(value)
  const isMapped = bytes.subarray(0, 12).every((byte, index) => byte === (index < 10 ? 0 : 0xff))
  return isMapped ? bytes.subarray(12) : bytes
}

function ipv6Bytes(text: string): Uint8Array {
  const groupsOf = (part: string) => part.split(':').filter(Boolean).flatMap(groupBytes)
  const [before = '', after] = text.split('::')
  const head = groupsOf(before)
  const tail = after === undefined ? [] : groupsOf(after)
  return Uint8Array.from([...head, ...new Array<number>(16 - head.length - tail.length).fill(0), ...tail])
}

/** The two bytes of a group, or the four of an IPv4 address at the end. */
function groupBytes(group: string): number[] {
  if (group.includes('.')) return group.split('.').map(Number)
  const value = Number.parseInt(group, 16)
  return [value >> 8, value & 0xff]
}
