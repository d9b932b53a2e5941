import { describe, expect, it } from 'vitest'
import { isLocalRegistry, parseReference, parseRepository } from '../../../src/lib/oci/index.ts'

describe('addresses of repositories', () => {
  it.each([
    ['oci://ghcr.io/stefanprodan/manifests/podinfo', 'ghcr.io', 'stefanprodan/manifests/podinfo'],
    ['oci://registry.example.com:5000/app', 'registry.example.com:5000', 'app'],
    ['oci://localhost/app', 'localhost', 'app'],
    ['oci://127.0.0.1:5000/org/app', '127.0.0.1:5000', 'org/app'],
    ['oci://[::1]:5000/app', '[::1]:5000', 'app'],
    ['oci://docker.io/org/app', 'index.docker.io', 'org/app'],
    ['oci://docker.io/app', 'index.docker.io', 'library/app'],
    ['oci://index.docker.io/app', 'index.docker.io', 'library/app'],
    ['oci://registry-1.docker.io/org/app', 'index.docker.io', 'org/app'],
    ['oci://org/app', 'index.docker.io', 'org/app'],
    ['oci://app', 'index.docker.io', 'library/app'],
  ])('SRC-OCI-17 reads %s', (address, registry, repository) => {
    expect(parseRepository(address)).toEqual({ registry, repository })
  })

  it.each([
    ['oci://ghcr.io/org/app:v1', /must not contain a tag or a digest; remove ":v1"/],
    ['oci://ghcr.io/org/app@sha256:00', /remove "@sha256:00"/],
    ['oci://org/app:v1', /remove ":v1"/],
    ['oci://ghcr.io/Org/app', /the name "Org\/app" may only have lower-case letters/],
    ['oci://ghcr.io/', /the name ""/],
    ['oci://ghcr.io/org//app', /the name "org\/\/app"/],
    ['oci://ghcr.io/../app', /the name "\.\.\/app"/],
    ['oci://gh_cr.io/app', /"gh_cr\.io" is no host/],
    ['oci://user:secret@ghcr.io/app', /is no host/],
    [`oci://ghcr.io/${'a'.repeat(300)}`, /may only have/],
    ['oci://', /the name ""/],
  ])('refuses %s', (address, message) => {
    expect(() => parseRepository(address)).toThrow(message)
  })

  it('takes no time for a name that is long and almost right', () => {
    const started = performance.now()
    expect(() => parseRepository(`oci://ghcr.io/${'a-'.repeat(500_000)}`)).toThrow()
    expect(performance.now() - started).toBeLessThan(1000)
  })
})

describe('references', () => {
  const digest = `sha256:${'0'.repeat(64)}`

  it.each([
    ['oci://ghcr.io/org/app:v1.0.0', { registry: 'ghcr.io', repository: 'org/app', tag: 'v1.0.0' }],
    [`ghcr.io/org/app@${digest}`, { registry: 'ghcr.io', repository: 'org/app', digest }],
    [`ghcr.io:443/app:v1@${digest}`, { registry: 'ghcr.io:443', repository: 'app', tag: 'v1', digest }],
    ['oci://docker.io/nginx:1', { registry: 'index.docker.io', repository: 'library/nginx', tag: '1' }],
  ])('reads %s', (address, reference) => {
    expect(parseReference(address)).toEqual(reference)
  })

  it.each([
    ['ghcr.io', /must begin with the host/],
    ['ghcr.io/app:', /"" is no tag/],
    ['ghcr.io/app:.hidden', /is no tag/],
    ['ghcr.io/app@sha256:abc', /is no digest/],
    ['ghcr.io/app@md5:d41d8cd98f00b204e9800998ecf8427e', /is no digest/],
  ])('refuses %s', (address, message) => {
    expect(() => parseReference(address)).toThrow(message)
  })
})

describe('registries that may do without TLS', () => {
  it.each(['127.0.0.1', '127.0.0.1:5000', 'localhost:5000', 'registry.localhost', 'registry.localhost:5000', '[::1]:5000'])(
    'SRC-OCI-17 are those of this machine: %s',
    (host) => expect(isLocalRegistry(host)).toBe(true),
  )
  it.each(['10.1.2.3', '192.168.0.1:5000', '172.16.0.1', '172.31.255.255:80'])(
    'SRC-OCI-17 and those of private networks: %s',
    (host) => expect(isLocalRegistry(host)).toBe(true),
  )
  it.each([
    '10.example.com',
    '172.32.0.1',
    '127.0.0.2:5000',
    'registry.local',
    'localhost.example.com',
    '192.168.1.example.org:5000',
  ])('and no others: %s', (host) => expect(isLocalRegistry(host)).toBe(false))
})
