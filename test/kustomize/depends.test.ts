import { describe, expect, it } from 'vitest'
import type { Kustomization } from '../../src/api/kustomization.ts'
import { type Key, keyOf, keyText } from '../../src/api/object.ts'
import { problemOf } from '../../src/kustomize/depends.ts'
import { sortedByDependency } from '../../src/runtime/depends.ts'
import { kustomization, readyAt } from './objects.ts'

const revision = 'main@sha1:new'

function storeOf(...objects: Kustomization[]) {
  const byKey = new Map(objects.map((ks) => [keyText(keyOf(ks)), ks]))
  return { get: (key: Key) => byKey.get(keyText(key)) }
}

/** Why `app`, which depends on `base`, has to wait; the objects are what there is. */
function problem(...others: Kustomization[]) {
  const app = kustomization('app', { dependsOn: [{ name: 'base' }] })
  return problemOf(app, { namespace: 'flux', name: 'base' }, revision, storeOf(app, ...others))
}

describe('a dependency', () => {
  it('KUS-DEP-01 is met when it is ready at the revision of the common source', () => {
    expect(problem(kustomization('base', {}, readyAt(revision)))).toBeUndefined()
  })

  it('KUS-DEP-01 is met at any revision of another source', () => {
    const sourceRef = { kind: 'GitRepository', name: 'other' } as const
    expect(problem(kustomization('base', { sourceRef }, readyAt('main@sha1:old')))).toBeUndefined()
    const elsewhere = { ...sourceRef, name: 'repo', namespace: 'elsewhere' }
    expect(problem(kustomization('base', { sourceRef: elsewhere }, readyAt('main@sha1:old')))).toBeUndefined()
  })

  it('F-APP-16 is named when it does not exist', () => {
    expect(problem()).toBe(`dependency 'flux/base' not found: kustomizations.kustomize.toolkit.fluxcd.io "base" not found`)
  })

  it('F-APP-16 is not ready before its first run, after an edit, or when it failed', () => {
    const ready = readyAt(revision)
    const failed = {
      ...ready,
      conditions: ready.conditions?.map((condition) => ({ ...condition, status: 'False' as const })) ?? [],
    }
    expect(problem(kustomization('base'))).toBe("dependency 'flux/base' is not ready")
    expect(problem(kustomization('base', {}, { ...ready, observedGeneration: 0 }))).toBe("dependency 'flux/base' is not ready")
    expect(problem(kustomization('base', {}, failed))).toBe("dependency 'flux/base' is not ready")
  })

  it('KUS-DEP-01 has to be at the new revision', () => {
    expect(problem(kustomization('base', {}, readyAt('main@sha1:old')))).toBe("dependency 'flux/base' revision is not up to date")
  })

  it('F-APP-16 says that it is suspended', () => {
    expect(problem(kustomization('base', { suspend: true }))).toBe("dependency 'flux/base' is not ready: it is suspended")
  })

  it('F-APP-16 may not depend on what depends on it: the circle is named', () => {
    const base = kustomization('base', { dependsOn: [{ name: 'other' }, { name: 'core', namespace: 'flux' }] })
    const core = kustomization('core', { dependsOn: [{ name: 'app' }] })
    expect(problem(base, core)).toContain('flux/app -> flux/base -> flux/core -> flux/app')
  })

  it('F-APP-16 may not be the object itself', () => {
    const self = kustomization('self', { dependsOn: [{ name: 'self' }] })
    expect(problemOf(self, keyOf(self), revision, storeOf(self))).toContain('flux/self -> flux/self')
  })

  it('F-APP-16 is looked up in bounded time, however tangled the graph is', () => {
    const layers = Array.from({ length: 30 }, (_, layer) =>
      ['a', 'b', 'c'].map((letter) =>
        kustomization(layer === 0 ? 'base' : `${letter}${layer}`, {
          dependsOn: ['a', 'b', 'c'].map((next) => ({ name: `${next}${layer + 1}` })),
        }),
      ),
    )
    expect(problem(...layers.flat())).toBe("dependency 'flux/base' is not ready")
  })
})

describe('sortedByDependency', () => {
  const names = (objects: readonly Kustomization[]) => objects.map(({ metadata }) => metadata.name)
  const on = (...dependencies: string[]) => ({ dependsOn: dependencies.map((name) => ({ name })) })

  it('KUS-DEP-02 puts dependencies first and keeps the order otherwise', () => {
    const objects = [
      kustomization('app', on('db', 'net')),
      kustomization('other'),
      kustomization('db', on('net', 'elsewhere')),
      kustomization('net'),
    ]
    expect(names(sortedByDependency(objects))).toEqual(['net', 'db', 'app', 'other'])
  })

  it('KUS-DEP-02 gives every member of a circle once', () => {
    const objects = [kustomization('a', on('b')), kustomization('b', on('a')), kustomization('c', on('a'))]
    expect(names(sortedByDependency(objects)).toSorted()).toEqual(['a', 'b', 'c'])
  })

  it('sorts a long chain', () => {
    const chain = Array.from({ length: 20_000 }, (_, i) => kustomization(`k${i}`, on(`k${i + 1}`)))
    expect(names(sortedByDependency(chain)).at(0)).toBe('k19999')
  })
})
