/** What tests of the Git hosts' services share: settings, events, and sending one through the real Sender. */
import type { ProviderType } from '../../../src/api/provider.ts'
import type { Notification, Target } from '../../../src/notification/notifier.ts'
import { providerOf } from '../../../src/notification/providers/index.ts'
import { HttpSender } from '../../../src/notification/sender.ts'
import { ManualClock } from '../../fakes/clock.ts'
import type { HostServer } from './git-host-server.ts'

export const commit = '5394cb7f48332b2de7c17dd8b8384bbc84b7e738'
export const providerUid = '0c9c2e41-d2f9-4f9b-9c41-bebc1984d67a'
export const clock = new ManualClock()

export type Settings = Partial<Omit<Target, 'secret'>> & { readonly secret?: Readonly<Record<string, string>> }

export function targetOf({ secret = {}, ...given }: Settings): Target {
  return {
    address: '',
    channel: '',
    username: '',
    password: '',
    token: '',
    headers: new Map(),
    providerUid,
    providerName: 'git',
    providerNamespace: 'apps',
    commitStatus: 'kustomization/app/0c9c2e41',
    ...given,
    secret: new Map(Object.entries(secret)),
  }
}

export interface EventOptions {
  readonly severity?: 'info' | 'error'
  readonly reason?: string
  readonly message?: string
  readonly metadata?: Readonly<Record<string, string>>
}

export function told({ metadata = { revision: `main@sha1:${commit}` }, ...given }: EventOptions = {}): Notification {
  const involvedObject = { apiVersion: 'kustomize.toolkit.fluxcd.io/v1', kind: 'Kustomization', namespace: 'apps', name: 'App' }
  const event = {
    involvedObject,
    severity: 'info' as const,
    reason: 'ReconciliationSucceeded',
    message: 'Reconciliation finished',
    timestamp: '2026-01-02T03:04:05Z',
    reportingController: 'kustomize-controller',
    ...given,
    metadata,
  }
  return { event, isCommitStatusUpdate: true }
}

/** Sends as the dispatcher does. */
export async function send(type: ProviderType, settings: Settings, notification: Notification, server: HostServer): Promise<void> {
  const signal = AbortSignal.timeout(20_000)
  await using sender = new HttpSender({ ...server.connection, clock, signal })
  await providerOf(type).connect(targetOf(settings))(notification, sender)
}

/** The message of what it throws. */
export async function failure(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    return (error as Error).message
  }
  throw new Error('nothing was thrown')
}
