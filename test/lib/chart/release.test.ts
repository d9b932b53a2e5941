import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { decodeRelease, encodeRelease, type Release, secretName, secretOf, userLabels } from '../../../src/lib/chart/index.ts'
import { chartOf, rendered } from './chart.ts'

function releaseOf(more: Partial<Release> = {}): Release {
  const chart = chartOf({
    'values.yaml': 'big: 1000000\ntext: "<&>"\n',
    'templates/h.yaml': 'kind: Job\nmetadata: {name: j, annotations: {helm.sh/hook: test}}\n',
    'README.md': 'read me',
  })
  const { chart: used, hooks } = rendered(chart)
  const info = { firstDeployed: '2026-01-02T03:04:05.123456789Z', status: 'deployed', notes: 'hi' } as const
  const config = new Map([['b', null]])
  return {
    name: 'web',
    namespace: 'ns',
    version: 3,
    info,
    chart: used,
    config,
    manifest: '---\n',
    hooks,
    applyMethod: 'ssa',
    ...more,
  }
}

const jsonOf = (text: string): string => gunzipSync(Buffer.from(text, 'base64')).toString()

describe('a stored release', () => {
  it('comes back as it was', () => {
    const { chart, ...rest } = releaseOf()
    const { chart: read, ...others } = decodeRelease(encodeRelease({ chart, ...rest }))
    expect(others).toEqual(rest)
    expect(read.metadata).toEqual(chart.metadata)
    expect(read.values).toEqual(chart.values)
    expect(read.templates.map(({ name }) => name)).toEqual(['templates/h.yaml'])
    expect(encodeRelease({ ...rest, chart: read })).toBe(encodeRelease({ ...rest, chart: { ...chart, raw: [] } }))
  })

  it('is JSON in the order of Go, with what HTML would read escaped', () => {
    const json = jsonOf(encodeRelease(releaseOf()))
    expect(Object.keys(JSON.parse(json))).toEqual([
      'name',
      'info',
      'chart',
      'config',
      'manifest',
      'hooks',
      'version',
      'namespace',
      'apply_method',
    ])
    expect(json).toContain(
      '"values":{"big":1000000,"text":"\\u003c\\u0026\\u003e"},"schema":null,"schemamodtime":"0001-01-01T00:00:00Z"',
    )
    expect(json).toContain('"hooks":[{"name":"j","kind":"Job","path":"app/templates/h.yaml"')
    expect(json).toContain('"last_run":{"phase":""}')
  })

  it('may have the form of helm 3', () => {
    const json = jsonOf(encodeRelease(releaseOf(), { form: 'helm3' }))
    expect(json).toContain('"info":{"first_deployed":"2026-01-02T03:04:05.123456789Z","last_deployed":"","deleted":"","status"')
    expect(json).toContain('"last_run":{"started_at":"","completed_at":"","phase":""}')
    expect(json).not.toMatch(/modtime|apply_method/)
  })

  it('has a Secret with labels that the user cannot take', () => {
    const labels = new Map([
      ['team', 'x'],
      ['owner', 'me'],
    ])
    const secret = secretOf(releaseOf({ labels }))
    expect(secret).toMatchObject({ name: 'sh.helm.release.v1.web.v3', type: 'helm.sh/release.v1' })
    expect(secret.labels).toEqual({ team: 'x', owner: 'helm', name: 'web', status: 'deployed', version: '3' })
    expect(userLabels(secret.labels)).toEqual(new Map([['team', 'x']]))
    expect(secretName('web', 12)).toBe('sh.helm.release.v1.web.v12')
  })

  it('is read from before there was compression', () => {
    const text = Buffer.from(jsonOf(encodeRelease(releaseOf()))).toString('base64')
    expect(decodeRelease(text)).toMatchObject({ name: 'web', version: 3 })
  })

  it.each([
    ['no JSON', Buffer.from('nothing').toString('base64')],
    ['another type', Buffer.from('{"version":"x"}').toString('base64')],
    ['a broken archive', Buffer.from([0x1f, 0x8b, 0x08, 1, 2]).toString('base64')],
  ])('is refused when it is %s', (_, text) => {
    expect(() => decodeRelease(text)).toThrow('release cannot be read: ')
  })

  it('is bounded when it is unpacked', () => {
    const text = encodeRelease(releaseOf({ manifest: 'a'.repeat(1_000_000) }))
    expect(text.length).toBeLessThan(10_000)
    expect(() => decodeRelease(text, { maxBytes: 100_000 })).toThrow('release cannot be read: ')
  })
})
