import { createHash, createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { compareSync } from 'bcryptjs'
import { describe, expect, it } from 'vitest'
import { Budget, LimitError } from '../../../../src/lib/gotemplate/environment.ts'
import { cryptoFunctions } from '../../../../src/lib/gotemplate/sprig/crypto.ts'
import { int, Struct, type Value } from '../../../../src/lib/gotemplate/value.ts'
import { evaluate } from './evaluate.ts'

describe('hashes and passwords', () => {
  // Expected: sprig 3.3 in Go.
  it.each([
    ['sha1sum "sluice"', createHash('sha1').update('sluice').digest('hex')],
    ['sha256sum "sluice"', createHash('sha256').update('sluice').digest('hex')],
    ['sha512sum "sluice"', createHash('sha512').update('sluice').digest('hex')],
    ['adler32sum "Wikipedia"', '300286872'],
    ['adler32sum ""', '1'],
    ['htpasswd "a:b" "c"', 'invalid username: a:b'],
    [`bcrypt "${'x'.repeat(73)}"`, 'failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes'],
    ['derivePassword 1 "none" "a" "b" "c"', 'cannot find password template none'],
    ['derivePassword 3 "pin" "secret" "ann" "shop.example"', '4880'],
    ['derivePassword 3 "medium" "secret" "ann" "shop.example"', "VoqYap9'"],
    ['genPrivateKey "other"', 'Unknown type other'],
    ['decryptAES "k" (encryptAES "k" "some text")', 'some text'],
    ['encryptAES "k" ""', ''],
    ['decryptAES "k" ""', ''],
    ['decryptAES "k" "AAAA"', 'error: runtime error: slice bounds out of range [:16] with capacity 3'],
    ['decryptAES "k" "AAAAAAAAAAAAAAAAAAAAAA=="', 'error: runtime error: index out of range [-1]'],
    ['decryptAES "k" "AAAAAAAAAAAAAAAAAAAAAAAA"', 'error: crypto/cipher: input not full blocks'],
    ['decryptAES "k" "%"', 'error: illegal base64 data at input byte 0'],
    // Made by sprig in Go.
    ['decryptAES "pw" "4GDjUp5reaWF6JNSS5D/vvj9/27wXRmuYwyjmI+eYL8="', 'hello wörld'],
  ])('%s', (expression, output) => {
    expect(evaluate(expression)).toBe(output)
  })

  it('makes bcrypt hashes that others accept', () => {
    const [user, hash = ''] = evaluate('htpasswd "ann" "secret"').split(':')
    expect([user, hash.slice(0, 7), compareSync('secret', hash)]).toEqual(['ann', '$2a$10$', true])
  })
})

/** Functions whose serial numbers are 1, at the start of 2024. */
function fixed(budget = new Budget()) {
  const env = {
    now: () => Date.UTC(2024, 0, 1),
    random: (length: number) => new Uint8Array(length).fill(1, length - 1),
    zone: 'UTC',
    budget,
  }
  const functions = cryptoFunctions(env)
  return (name: string, ...args: readonly Value[]): Value => functions.get(name)?.call(args) ?? null
}

function fieldOf(certificate: Value, name: string): string {
  return certificate instanceof Struct ? String(certificate.fields?.get(name)) : ''
}

const ecKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const ecPem = ecKey.export({ type: 'sec1', format: 'pem' }).toString()
const rsaPem = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()

describe('keys', () => {
  it.each([
    ['', 'RSA PRIVATE KEY', 'rsa'],
    ['ecdsa', 'EC PRIVATE KEY', 'ec'],
    ['ed25519', 'PRIVATE KEY', 'ed25519'],
  ])('of type "%s" are PEM of %s', (type, header, algorithm) => {
    const pem = String(fixed()('genPrivateKey', type))
    expect(pem).toMatch(new RegExp(`^-----BEGIN ${header}-----\n([A-Za-z0-9+/=]{1,64}\n)+-----END ${header}-----\n$`))
    expect(createPrivateKey(pem).asymmetricKeyType).toBe(algorithm)
  })

  it.each([
    ['', 'no PEM data in input'],
    [rsaPem.replaceAll('RSA PRIVATE KEY', 'THING'), 'no private key data in PEM block of type THING'],
    [rsaPem.replaceAll('RSA', 'ODD'), 'invalid private key type ODD PRIVATE KEY'],
    [
      rsaPem.replaceAll('RSA', 'EC'),
      'parsing EC private key from PEM: x509: failed to parse private key (use ParsePKCS1PrivateKey instead for this key format)',
    ],
    [
      '-----BEGIN RSA PRIVATE KEY-----\nMAA=\n-----END RSA PRIVATE KEY-----\n',
      'parsing RSA private key from PEM: asn1: syntax error: sequence truncated',
    ],
  ])('that cannot be read say why (%#)', (pem, message) => {
    expect(() => fixed()('genCAWithKey', 'ca', int(1), pem)).toThrow(`parsing private key: ${message}`)
  })

  it('are limited in number', () => {
    const call = fixed(new Budget({ maxSteps: 1_500_000 }))
    call('genPrivateKey', 'rsa')
    expect(() => call('genPrivateKey', 'rsa')).toThrow(LimitError)
  })
})

describe('certificates', () => {
  it('say of an authority what sprig says', () => {
    const ca = fixed()('genCAWithKey', 'my ca', int(10), ecPem)
    const certificate = new X509Certificate(fieldOf(ca, 'Cert'))
    expect(fieldOf(ca, 'Key')).toBe(ecPem)
    expect(certificate.ca && certificate.verify(certificate.publicKey)).toBe(true)
    expect([certificate.subject, certificate.issuer, certificate.serialNumber]).toEqual(['CN=my ca', 'CN=my ca', '01'])
    expect([certificate.validFromDate, certificate.validToDate]).toEqual([new Date('2024-01-01'), new Date('2024-01-11')])
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
  })

  it('are signed by an authority, for names and addresses', () => {
    const call = fixed()
    const ca = call('genCAWithKey', 'my ca', int(10), rsaPem)
    const leaf = call(
      'genSignedCertWithKey',
      'host',
      ['10.1.2.3', 'fe80::1', '::ffff:1.2.3.4'],
      ['a.example', '*.b'],
      int(5),
      ca,
      ecPem,
    )
    const [authority, certificate] = [ca, leaf].map((each) => new X509Certificate(fieldOf(each, 'Cert'))) as [
      X509Certificate,
      X509Certificate,
    ]
    expect(certificate.checkIssued(authority) && certificate.verify(authority.publicKey)).toBe(true)
    expect(certificate.ca).toBe(false)
    expect(certificate.subjectAltName).toBe(
      'DNS:a.example, DNS:*.b, IP Address:10.1.2.3, IP Address:FE80:0:0:0:0:0:0:1, IP Address:1.2.3.4',
    )
  })

  it.each([
    [['host', ['nowhere'], null, int(1)], 'error parsing ip: nowhere'],
    [['host', ['fe80::1%eth0'], null, int(1)], 'error parsing ip: fe80::1%eth0'],
    [['host', [int(4)], null, int(1)], 'error parsing ip: 4 is not a string'],
    [['host', null, [true], int(1)], 'error processing alternate dns name: true is not a string'],
    [['host', null, ['ä'], int(1)], 'error creating certificate: x509: "ä" cannot be encoded as an IA5String'],
  ] as const)('say what is wrong (%#)', (args, message) => {
    expect(() => fixed()('genSelfSignedCertWithKey', ...args, ecPem)).toThrow(message)
  })

  it('are refused by a key that is not that of the authority', () => {
    const call = fixed()
    const ca = call('genCAWithKey', 'my ca', int(10), rsaPem)
    const mixed = call(
      'buildCustomCert',
      Buffer.from(fieldOf(ca, 'Cert')).toString('base64'),
      Buffer.from(ecPem).toString('base64'),
    )
    expect(() => call('genSignedCertWithKey', 'host', null, null, int(5), mixed, ecPem)).toThrow(
      "error creating certificate: x509: provided PrivateKey doesn't match parent's PublicKey",
    )
  })

  // The same bytes as sprig in Go makes with this key, serial number and time.
  it('equal those of Go byte for byte', () => {
    const made = fixed()('genSelfSignedCertWithKey', 'host', ['10.0.0.1'], ['a.example'], int(30), goldenKey)
    expect(createHash('sha256').update(fieldOf(made, 'Cert')).digest('hex')).toBe(
      '6b48796fdb760702939745a2c2b18a9f501608750195df4608a2b03ab07d4066',
    )
  })
})

/** An Ed25519 key: its signatures have nothing random in them. */
const goldenKey = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f
-----END PRIVATE KEY-----
`
