import { describe, expect, it } from 'vitest'
import { assertReachable } from '../../../src/lib/oci/transport.ts'

describe('where a registry may send us', () => {
  const registry = new URL('https://registry.example.com/v2/')

  it.each([
    'http://169.254.169.254/latest/meta-data',
    'https://10.0.0.1/token',
    'https://127.0.0.1:8443/',
    'https://2130706433/',
    'https://192.168.1.1/',
    'https://0.0.0.0/',
    'https://localhost/',
    'https://[::1]/',
    'https://[fd00:ec2::254]/',
    'https://[fe80::1]/',
    'https://[::ffff:169.254.169.254]/',
  ])('is not into a private network: %s', (address) => {
    expect(() => assertReachable(registry, new URL(address))).toThrow(/^registry\.example\.com sends us to the private address/)
  })

  it.each([
    'https://auth.example.com/token',
    'https://93.184.216.34/',
    'https://[2606:2800:220:1::1]/',
    'https://registry.example.com/x',
  ])('is anywhere else: %s', (address) => expect(() => assertReachable(registry, new URL(address))).not.toThrow())

  it('is anywhere for one of a private network itself', () => {
    for (const from of ['http://127.0.0.1:5000', 'https://10.1.2.3'])
      expect(() => assertReachable(new URL(from), new URL('http://10.0.0.1/token'))).not.toThrow()
  })
})
