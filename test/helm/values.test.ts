import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { HelmRelease, HelmReleaseSpec } from '../../src/api/helmrelease.ts'
import type { KubeObject, ObjectRef } from '../../src/api/object.ts'
import { valuesDigest } from '../../src/helm/digests.ts'
import { composeValues } from '../../src/helm/values.ts'
import type { Client } from '../../src/kube/client.ts'
import { messageOf } from '../../src/lib/errors.ts'
import { marshalJson } from '../../src/lib/gotemplate/gojson.ts'

/** What Flux's own library (fluxcd/pkg/chartutil) makes of each case. */
interface Case {
  readonly name: string
  readonly values?: HelmReleaseSpec['values']
  readonly from?: HelmReleaseSpec['valuesFrom']
  /** Of the ConfigMap `cm` and of the Secret `sec`. */
  readonly data?: Readonly<Record<string, string>>
  readonly flux: { readonly values?: string; readonly digest?: string; readonly error?: string }
}

const fixture = join(import.meta.dirname, '../fixtures/helm-flux/values.json')
const cases = JSON.parse(readFileSync(fixture, 'utf8')) as Case[]

function release({ values, from }: Pick<Case, 'values' | 'from'>): HelmRelease {
  const spec = { interval: '1m', ...(values !== undefined && { values }), ...(from && { valuesFrom: from }) }
  return {
    apiVersion: 'helm.toolkit.fluxcd.io/v2',
    kind: 'HelmRelease',
    metadata: { namespace: 'ns', name: 'web' },
    spec: spec as HelmRelease['spec'],
  }
}

function clientWith(data: Readonly<Record<string, string>> = {}): Client {
  const encoded = Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')]))
  const objects = new Map<string, KubeObject>([
    ['ConfigMap/cm', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cm' }, data }],
    ['Secret/sec', { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'sec' }, data: encoded }],
  ])
  return { find: async ({ kind, name }: ObjectRef) => objects.get(`${kind}/${name}`) } as unknown as Client
}

const compose = (one: Pick<Case, 'values' | 'from' | 'data'>) =>
  composeValues(release(one), { client: clientWith(one.data), signal: new AbortController().signal })

describe('HLM-VAL-01 HLM-VAL-02 HLM-VAL-03 HLM-VAL-04 HLM-VAL-05 F-HLM-04 values are those that Flux composes', () => {
  it.each(cases)('$name', async ({ flux, ...one }) => {
    if (flux.error !== undefined) return expect(compose(one)).rejects.toThrow(flux.error)
    const values = await compose(one)
    expect(marshalJson(values)).toBe(flux.values)
    if (one.name !== 'large whole number by path') expect(valuesDigest(values)).toBe(flux.digest)
  })
})

describe('values', () => {
  it('F-HLM-04 say nothing of what a Secret holds when it cannot be used', async () => {
    for (const [k, reference] of [['hunter2,oops', { targetPath: 'a' }] as const, ['hunter2: [oops', {}] as const]) {
      const from = [{ kind: 'Secret' as const, name: 'sec', valuesKey: 'k', ...reference }]
      const message = await compose({ from, data: { k } }).catch(messageOf)
      expect(message).toContain(`Secret chart values reference 'ns/sec' with key 'k'`)
      expect(message).not.toMatch(/hunter|oops/)
    }
  })

  it('change no object that a store shares', async () => {
    const values = { a: { b: 1 } }
    await compose({ values, from: [{ kind: 'ConfigMap', name: 'cm', valuesKey: 'k', targetPath: 'a.b' }], data: { k: '2' } })
    expect(values).toEqual({ a: { b: 1 } })
  })
})
