import { expect, it } from 'vitest'
import type { KubeObject } from '../../src/api/object.ts'
import { ObjectStore } from '../../src/kube/store.ts'

function object(name: string, ...colours: string[]): KubeObject {
  return { apiVersion: 'v1', kind: 'Thing', metadata: { name, namespace: 'a' }, colours }
}

const coloursOf = ({ colours }: KubeObject) => colours as string[]
const names = (objects: readonly KubeObject[]) => objects.map(({ metadata }) => metadata.name).sort()

it('finds objects by each value of an index, and follows every change', () => {
  const store = new ObjectStore()
  store.put(object('early', 'red'))
  const byColour = store.index('colour', coloursOf)
  expect(names(byColour('red'))).toEqual(['early'])

  store.put(object('late', 'red', 'blue'))
  expect(names(byColour('red'))).toEqual(['early', 'late'])
  store.put(object('late', 'green'))
  expect(names(byColour('red'))).toEqual(['early'])
  expect(names(byColour('blue'))).toEqual([])
  expect(names(byColour('green'))).toEqual(['late'])
  store.remove({ namespace: 'a', name: 'late' })
  expect(byColour('green')).toEqual([])
  expect(store.size).toBe(1)
})

it('gives everybody the same index under one name', () => {
  const store = new ObjectStore()
  const first = store.index('colour', coloursOf)
  store.put(object('a', 'red'))
  const second = store.index('colour', () => expect.unreachable('it is there already'))
  expect(second('red')).toEqual(first('red'))
})

it('copes with names and values that are special in JavaScript', () => {
  const store = new ObjectStore()
  const byColour = store.index('colour', coloursOf)
  store.put(object('__proto__', 'constructor'))
  expect(names(byColour('constructor'))).toEqual(['__proto__'])
  expect(byColour('toString')).toEqual([])
  expect(store.get({ namespace: 'a', name: '__proto__' })).toBeDefined()
})

it('makes a write to a cached object fail where it is told to freeze', () => {
  const store = new ObjectStore({ freeze: true })
  const given = object('a', 'red')
  store.put(given)
  expect(() => (given.colours as string[]).push('blue')).toThrow(TypeError)
})
