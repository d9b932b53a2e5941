import { beforeEach, describe, expect, it } from 'vitest'
import type { Key } from '../../src/api/object.ts'
import type { Applier, Drift } from '../../src/kube/applier.ts'
import type { Client } from '../../src/kube/client.ts'
import { Appliers, accountOf } from '../../src/kustomize/appliers.ts'
import { kustomization } from './objects.ts'

interface Engine {
  readonly user: string
  readonly forgotten: string[]
  closed: boolean
  drift(drift: Drift): void
}

const key = (name: string): Key => ({ namespace: 'flux', name })
const account = (name: string) => ({ apiVersion: 'v1', kind: 'ServiceAccount', namespace: 'flux', name })

let engines: Engine[]
let appliers: Appliers

beforeEach(() => {
  engines = []
  appliers = new Appliers(clientOf(''), (client) => engine((client as unknown as { user: string }).user))
})

function clientOf(user: string): Client {
  return { user, as: (identity: { user: string }) => clientOf(identity.user) } as unknown as Client
}

function engine(user: string): Applier {
  const listeners: ((drift: Drift) => void)[] = []
  const drift = (told: Drift) => {
    for (const listener of listeners) listener(told)
  }
  const made: Engine = { user, forgotten: [], closed: false, drift }
  engines.push(made)
  const applier = {
    onDrift: (listener: (drift: Drift) => void) => listeners.push(listener),
    forget: ({ name }: Key) => made.forgotten.push(name),
    close: async () => {
      made.closed = true
    },
  }
  return applier as unknown as Applier
}

describe('the account of a Kustomization', () => {
  it('is the one that it names, else the default, else none', () => {
    const named = kustomization('app', { serviceAccountName: 'team' })
    expect(accountOf(named, { defaultServiceAccount: 'default' })).toEqual(account('team'))
    expect(accountOf(kustomization('app'), { defaultServiceAccount: 'default' })).toEqual(account('default'))
    expect(accountOf(kustomization('app'), { defaultServiceAccount: '' })).toBeUndefined()
  })
})

describe('the engines', () => {
  it('are one for each account, made when it is first acted as', () => {
    const { applier } = appliers.of(key('a'), account('team'))
    expect(appliers.of(key('b'), account('team')).applier).toBe(applier)
    expect(appliers.of(key('c'), undefined).applier).not.toBe(applier)
    expect(engines.map(({ user }) => user)).toEqual(['', 'system:serviceaccount:flux:team'])
  })

  it('end with the last Kustomization that acts as their account; the own one never does', () => {
    appliers.of(key('a'), account('team'))
    appliers.of(key('b'), account('team'))
    appliers.of(key('c'), undefined)
    for (const name of ['a', 'c']) appliers.forget(key(name))
    expect(engines.map(({ closed }) => closed)).toEqual([false, false])
    appliers.forget(key('b'))
    expect(engines.map(({ closed }) => closed)).toEqual([false, true])
    expect(engines.map(({ forgotten }) => forgotten)).toEqual([expect.arrayContaining(['c']), ['a', 'b']])
  })

  it('forget a Kustomization that acts as another account now', () => {
    appliers.of(key('a'), undefined)
    appliers.of(key('a'), account('team'))
    appliers.of(key('a'), account('team'))
    expect(engines.map(({ forgotten }) => forgotten)).toEqual([['a'], []])
    appliers.of(key('a'), undefined)
    expect(engines.map(({ forgotten, closed }) => ({ forgotten, closed }))).toEqual([
      { forgotten: ['a'], closed: false },
      { forgotten: ['a'], closed: true },
    ])
  })

  it('KUS-RMT-01 are one for each cluster too, and end with the last Kustomization that is applied there', () => {
    const [far, farther] = [clientOf('far'), clientOf('farther')]
    expect(appliers.of(key('a'), undefined, far).applier).toBe(appliers.of(key('b'), undefined, far).applier)
    appliers.of(key('b'), account('team'), far)
    expect(engines.map(({ user }) => user)).toEqual(['', 'far', 'system:serviceaccount:flux:team'])
    appliers.of(key('a'), undefined, farther)
    expect(engines.map(({ closed }) => closed)).toEqual([false, true, false, false])
    expect(engines[1]?.forgotten).toEqual(['b', 'a'])
    appliers.forget(key('a'))
    appliers.forget(key('b'))
    expect(engines.map(({ closed }) => closed)).toEqual([false, true, true, true])
  })

  it('all tell of drift, those of later accounts too', () => {
    const told: string[] = []
    const stop = appliers.onDrift(({ owner }) => told.push(owner.name))
    appliers.of(key('a'), account('team'))
    const drift = (name: string): Drift => ({ owner: key(name), ref: account('x'), what: 'edited' })
    for (const [index, made] of engines.entries()) made.drift(drift(`of ${index}`))
    stop()
    engines[0]?.drift(drift('late'))
    expect(told).toEqual(['of 0', 'of 1'])
  })

  it('all end at the close', async () => {
    appliers.of(key('a'), account('team'))
    await appliers.close()
    expect(engines.map(({ closed }) => closed)).toEqual([true, true])
  })
})
