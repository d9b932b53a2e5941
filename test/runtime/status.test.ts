import { describe, expect, it } from 'vitest'
import type { CommonStatus, FluxObject } from '../../src/api/meta.ts'
import type { Client } from '../../src/kube/client.ts'
import { ApiError } from '../../src/kube/transport.ts'
import { settled } from '../../src/runtime/conditions.ts'
import { StatusDraft, StatusError, Vanished } from '../../src/runtime/status.ts'
import { ManualClock } from '../fakes/clock.ts'

type Status = CommonStatus & Readonly<Record<string, unknown>>
type Thing = FluxObject<object, Status>

function thing(status: Status, resourceVersion = '7'): Thing {
  const metadata = { namespace: 'apps', name: 'web', uid: 'u1', resourceVersion, generation: 2 }
  return { apiVersion: 'test.sluice.dev/v1', kind: 'Thing', metadata, spec: {}, status }
}

/** Answers patches by the script given: an error, or the object that the API server would return. */
function setUp(base: Thing, script: readonly (ApiError | Thing)[] = [], fresh?: Thing) {
  const patches: unknown[] = []
  const seen: Thing[] = []
  const abort = new AbortController()
  const client = {
    async mergePatch(_ref: unknown, patch: unknown) {
      const answer = script[patches.length] ?? base
      patches.push(structuredClone(patch))
      if (answer instanceof Error) throw answer
      return answer
    },
    find: async () => fresh,
  }
  const draft = new StatusDraft(base, {
    client: client as unknown as Client,
    clock: new ManualClock('2026-05-05T10:00:00Z'),
    fieldManager: 'gotk-test-controller',
    written: (object) => seen.push(object),
    signal: abort.signal,
  })
  return { draft, patches, seen, abort }
}

const conflict = new ApiError('the object has been modified', { status: 409, reason: 'Conflict' })
const notFound = new ApiError('not found', { status: 404, reason: 'NotFound' })
const at = '2026-01-01T00:00:00Z'

describe('status', () => {
  it('sends nothing when nothing changes', async () => {
    const status = {
      observedGeneration: 2,
      inventory: { entries: [{ id: 'a', v: 'v1' }] },
      conditions: [{ type: 'Ready', status: 'True', reason: 'R', message: 'm', lastTransitionTime: at, observedGeneration: 2 }],
    } as const
    const { draft, patches } = setUp(thing(status))
    draft.set({ observedGeneration: 2, inventory: { entries: [{ id: 'a', v: 'v1' }], extra: undefined }, never: undefined })
    draft.conditions(settled({ status: 'True', reason: 'R', message: 'm' }))
    await draft.write()
    expect(patches).toEqual([])
  })

  it('sends only what changes, on the version that it was made from', () => {
    const { draft } = setUp(thing({ observedGeneration: 1, keep: 'x', drop: 'y', map: { a: 1, b: 2 } }))
    draft.set({ observedGeneration: 2, keep: 'x', drop: undefined, map: { a: 1, c: 3 } })
    expect(draft.patch()).toEqual({
      metadata: { uid: 'u1', resourceVersion: '7' },
      status: { observedGeneration: 2, drop: null, map: { b: null, c: 3 } },
    })
  })

  it('F-API-04 on a conflict takes fresh data, keeps what others wrote, and tries again', async () => {
    const foreign = { type: 'example.com/Seen', status: 'True', reason: 'R', message: '', lastTransitionTime: at } as const
    const fresh = thing({ observedGeneration: -1, conditions: [foreign] }, '9')
    const { draft, patches, seen } = setUp(thing({ observedGeneration: -1 }), [conflict, fresh], fresh)
    draft.set({ observedGeneration: 2 })
    draft.conditions(settled({ status: 'True', reason: 'R', message: 'm' }))
    await draft.write()
    expect(patches[1]).toMatchObject({
      metadata: { resourceVersion: '9' },
      status: { observedGeneration: 2, conditions: [{ type: 'Ready' }, foreign] },
    })
    expect(seen).toEqual([fresh])
  })

  it('gives up after several conflicts with an error that names the object', async () => {
    const base = thing({})
    const { draft, patches } = setUp(base, Array(20).fill(conflict), base)
    draft.set({ observedGeneration: 2 })
    await expect(draft.write()).rejects.toThrow(StatusError)
    await expect(draft.write()).rejects.toThrow('failed to update the status of Thing/apps/web')
    expect(patches.length).toBeLessThan(20)
  })

  it('says that the object vanished, also when another one took its name', async () => {
    const gone = setUp(thing({}), [notFound])
    gone.draft.set({ observedGeneration: 2 })
    await expect(gone.draft.write()).rejects.toThrow(Vanished)

    const other = { ...thing({}), metadata: { ...thing({}).metadata, uid: 'u2' } }
    const replaced = setUp(thing({}), [conflict], other)
    replaced.draft.set({ observedGeneration: 2 })
    await expect(replaced.draft.write()).rejects.toThrow(Vanished)
  })

  it('writes one after the other, each on the answer to the one before', async () => {
    const { draft, patches } = setUp(thing({}, '1'), [thing({ step: 1 }, '2'), thing({ step: 2 }, '3')])
    draft.set({ step: 1 })
    await draft.write()
    draft.set({ step: 2 })
    await Promise.all([draft.write(), draft.write()])
    expect(patches).toEqual([
      { metadata: { uid: 'u1', resourceVersion: '1' }, status: { step: 1 } },
      { metadata: { uid: 'u1', resourceVersion: '2' }, status: { step: 2 } },
    ])
  })

  it('refuses to write once the process may not', async () => {
    const { draft, patches, abort } = setUp(thing({}))
    abort.abort()
    draft.set({ observedGeneration: 2 })
    await expect(draft.write()).rejects.toThrow(StatusError)
    expect(patches).toEqual([])
  })

  it('takes field names from outside as data', () => {
    const { draft } = setUp(thing({ map: {} }))
    draft.set({ map: JSON.parse('{"__proto__": {"x": 1}, "constructor": "y"}') })
    expect(JSON.stringify(draft.patch())).toContain('"map":{"__proto__":{"x":1},"constructor":"y"}')
  })
})
