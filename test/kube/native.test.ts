import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { KubeObject } from '../../src/api/object.ts'
import { asTyped } from '../../src/kube/native.ts'

interface Case {
  readonly name: string
  readonly object: KubeObject
  /** What Flux's own code makes of it. */
  readonly typed: KubeObject
}

const { cases } = JSON.parse(readFileSync(new URL('native.json', import.meta.url), 'utf8')) as { cases: Case[] }

describe('asTyped', () => {
  it.each(cases)('as Flux: $name', ({ object, typed }) => {
    const before = structuredClone(object)
    expect(withoutTrimmings(asTyped(object, { keepUnknown: false }).object)).toEqual(withoutTrimmings(typed))
    expect(object).toEqual(before)
  })

  it('names the fields that a type does not have, and keeps them where it is told to', () => {
    const containers = [{ name: 'a' }, { name: 'b', imagePullPolcy: 'Always' }]
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' }, spec: { containers, constructor: 1 }, extra: 2 }
    const of = (keepUnknown: boolean) => asTyped(pod as unknown as KubeObject, { keepUnknown })
    const unknown = ['spec.containers.1.imagePullPolcy', 'spec.constructor', 'extra']
    expect(of(true)).toMatchObject({ unknown, object: pod })
    expect(of(false).unknown).toEqual(unknown)
    expect(JSON.stringify(of(false).object)).not.toMatch(/Polcy|constructor|extra/)
  })

  it('keeps integers beyond what a double holds', () => {
    const spec = { containers: [{ name: 'a' }], activeDeadlineSeconds: 9007199254740993n }
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' }, spec } as unknown as KubeObject
    expect(asTyped(pod, { keepUnknown: false }).object.spec).toMatchObject({ activeDeadlineSeconds: 9007199254740993n })
  })

  it('reads no field of a type from what every object inherits', () => {
    const labels = JSON.parse('{"__proto__":"a","constructor":"b"}') as Record<string, string>
    const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', labels } } as KubeObject
    const { object } = asTyped(map, { keepUnknown: false })
    expect(Object.entries(object.metadata.labels ?? {})).toEqual(Object.entries(labels))
  })
})

/** Both are taken away before this, or in another place: see normalize.ts. */
function withoutTrimmings({ status: _, metadata, ...object }: KubeObject): object {
  const { creationTimestamp: __, ...rest } = metadata as unknown as Record<string, unknown>
  return { ...object, metadata: rest }
}
