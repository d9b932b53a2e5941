import { describe, expect, it } from 'vitest'
import { parseChallenge } from '../../../src/lib/oci/challenge.ts'

describe('a challenge of a registry', () => {
  it.each([
    [
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull"',
      { scheme: 'bearer', realm: 'https://auth.docker.io/token', service: 'registry.docker.io', scope: 'repository:a/b:pull' },
    ],
    ['Basic realm="Registry Realm"', { scheme: 'basic', realm: 'Registry Realm' }],
    ['BEARER Realm=https://x.example/t , Service = "s"', { scheme: 'bearer', realm: 'https://x.example/t' }],
    [
      'Bearer realm="a \\"quoted\\" name, with comma",service="s"',
      { scheme: 'bearer', realm: 'a "quoted" name, with comma', service: 's' },
    ],
    ['Negotiate, Basic realm="r"', { scheme: 'basic', realm: 'r' }],
    ['Basic', { scheme: 'basic' }],
  ])('is read: %s', (header, { scheme, ...parameters }) => {
    const challenge = parseChallenge(header)
    expect(challenge?.scheme).toBe(scheme)
    expect(Object.fromEntries(challenge?.parameters ?? [])).toMatchObject(parameters)
  })

  it.each(['', 'Negotiate', 'Digest realm="r"', 'NotBearer realm="x"', `Bearer realm="${'x'.repeat(10_000)}"`])(
    'is none: %.30s',
    (header) => expect(parseChallenge(header)).toBeUndefined(),
  )

  it('takes no time, however it is written', () => {
    const started = performance.now()
    for (const piece of ['"\\', 'a=', ' ', 'bearer ', 'x="', ',', '\\\\'])
      parseChallenge(`Bearer ${piece.repeat(8000 / piece.length)}`)
    expect(performance.now() - started).toBeLessThan(1000)
  })
})
