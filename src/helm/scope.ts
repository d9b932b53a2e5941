/** What acting on one release takes, and how that shows in events. */
import type { HelmRelease, ReleaseSnapshot } from '../api/helmrelease.ts'
import type { Client } from '../kube/client.ts'
import type { Release } from '../lib/chart/index.ts'
import type { Cause, Context, EventDraft } from '../runtime/reconcile.ts'
import type { ActionContext, Actions, ReleaseStorage, Render } from './action.ts'
import type { RightObjects } from './drift.ts'
import type { Ledger } from './ledger.ts'
import { LogTail } from './log-tail.ts'
import { manifestTask } from './manifest-task.ts'
import type { SeenRevisions } from './seen.ts'

/** One release of one HelmRelease. */
export interface Scope {
  readonly ledger: Ledger
  readonly context: Context<HelmRelease>
  readonly actions: Actions
  readonly storage: ReleaseStorage
  readonly release: ActionContext['release']
  /** Acts with the release's identity. */
  readonly client: Client
  readonly render: Render
  readonly healthRule?: ActionContext['healthRule']
  readonly right: RightObjects
  readonly seen: SeenRevisions
}

/** An action failed and changed nothing in storage: there is nothing to remedy, it is tried again. */
export class ActFailed extends Error {
  override readonly name = 'ActFailed'
}

/** Neither of these makes what is waited for another thing: the wait goes on, and they are heeded after it. */
const harmless: ReadonlySet<Cause> = new Set(['created', 'interval', 'retry', 'requested', 'dependency', 'drift'])

/** What an action is given, and what it logs. */
export function actionContext(
  scope: Scope,
  observed: (release: Release) => void,
): { readonly action: ActionContext; readonly tail: LogTail } {
  const { ledger, context, storage, release, client, render, healthRule } = scope
  const tail = new LogTail(context.clock)
  const action: ActionContext = {
    client,
    storage,
    release,
    owner: context.key,
    spec: ledger.hr.spec,
    clock: context.clock,
    log: tail.over(context.log),
    signal: context.signal,
    render,
    objectsOf: (manifest) => context.workers.run(manifestTask, { manifest }, { signal: context.signal }),
    parked: (wait) => context.parked(wait, { through: harmless }),
    observed,
    ...(healthRule && { healthRule }),
  }
  return { action, tail }
}

/** Source: internal/reconcile/release.go eventMessageWithLog. */
export function withLog(message: string, { text }: LogTail): string {
  return text === '' ? message : `${message}\n\nLast Helm logs:\n\n${text}`
}

export interface EventAbout {
  readonly chartVersion: string
  readonly configDigest: string
  readonly appVersion?: string | undefined
  readonly ociDigest?: string | undefined
}

export function metadataOf(about: EventAbout | ReleaseSnapshot | undefined): NonNullable<EventDraft['metadata']> {
  if (!about) return {}
  const { chartVersion, configDigest, appVersion, ociDigest } = about
  return {
    revision: chartVersion,
    token: configDigest,
    ...(appVersion && { 'app-version': appVersion }),
    ...(ociDigest && { 'oci-digest': ociDigest }),
  }
}
