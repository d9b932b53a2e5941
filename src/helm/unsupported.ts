/** What a HelmRelease may ask for and the actions do not do. */
import type { HelmReleaseSpec } from '../api/helmrelease.ts'
import { ActionError } from './action.ts'

/** @throws ActionError naming the field; nothing has been done then. */
export function assertSupported(spec: HelmReleaseSpec, action: 'install' | 'upgrade' | 'rollback'): void {
  if (spec.waitStrategy?.name === 'legacy') throw unsupported('spec.waitStrategy.name: legacy', 'leave it out, or set it to poller')
  const side = action === 'install' ? spec.install?.serverSideApply : spec[action]?.serverSideApply
  if (side === false || side === 'disabled')
    throw unsupported(`spec.${action}.serverSideApply: ${side}`, 'objects are written by server-side apply alone: leave it out')
}

function unsupported(field: string, advice: string): ActionError {
  return new ActionError(`${field} is not supported: ${advice}`)
}
