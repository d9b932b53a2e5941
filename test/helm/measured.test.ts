import { describe, expect, it } from 'vitest'
import type { ActionContext, Actions } from '../../src/helm/action.ts'
import { measured } from '../../src/helm/measured.ts'
import { Preempted } from '../../src/runtime/reconcile.ts'
import { ManualClock } from '../fakes/clock.ts'

/** What is told of an uninstall that ends as `end` says, after two seconds. */
async function toldOf(end: () => void, signal = new AbortController().signal): Promise<string[]> {
  const told: string[] = []
  const clock = new ManualClock()
  const uninstall = async () => {
    clock.advance(2_000)
    return end() as undefined
  }
  const actions = measured({ uninstall } as unknown as Actions, (...all) => told.push(all.join(' ')))
  await actions.uninstall({ clock, signal } as unknown as ActionContext).catch(() => {})
  return told
}

function thrower(error: Error): () => never {
  return () => {
    throw error
  }
}

describe('a Helm action', () => {
  it('is told of with its time when it succeeds or fails', async () => {
    expect(await toldOf(() => {})).toEqual(['uninstall success 2000'])
    expect(await toldOf(thrower(new Error('no')))).toEqual(['uninstall error 2000'])
  })

  it('is not told of when it was interrupted: it goes on in the next run', async () => {
    expect(await toldOf(thrower(new Error('wait', { cause: new Preempted() })))).toEqual([])
    expect(await toldOf(thrower(new Error('shutdown')), AbortSignal.abort())).toEqual([])
  })
})
