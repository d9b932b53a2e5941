/** Running the tests of a release. Source: helm pkg/action/release_testing.go, helm-controller internal/action/test.go. */
import type { Release } from '../lib/chart/index.ts'
import { messageOf } from '../lib/errors.ts'
import { type ActionContext, ActionError } from './action.ts'
import { runHooks } from './hooks.ts'
import { Revision, withoutRevision } from './revision.ts'
import { timeoutMsOf } from './settings.ts'
import { isSelected } from './snapshots.ts'

/** @throws ActionError of the first test that fails; those behind it do not run. */
export async function test(context: ActionContext): Promise<Release> {
  const { storage, release, spec } = context
  const last = await withoutRevision('', () => storage.last(release.name))
  if (!last) throw new ActionError(`release ${release.name}: not found`)
  const revision = new Revision(last, context)
  const filters = spec.test?.filters ?? []
  try {
    const selects = ({ name }: { readonly name: string }) => isSelected(name, filters)
    const method = { serverSide: last.applyMethod === 'ssa' }
    // Whatever the releases wait by.
    const patient = { ...context, spec: { ...spec, waitStrategy: { name: 'poller' } as const } }
    await runHooks({ event: 'test', revision, timeoutMs: timeoutMsOf(spec, 'test'), method, selects }, patient)
  } catch (error) {
    await revision.update()
    throw new ActionError(messageOf(error), { cause: error, release: revision.release })
  }
  await revision.update()
  return revision.release
}
