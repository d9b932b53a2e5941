/** Receiver: checks what it asks for and tells the path of its address. Source: receiver_controller.go of notification-controller. */
import { createHash } from 'node:crypto'
import { keyOf, keyText } from '../api/object.ts'
import { type Receiver, receiverKind } from '../api/receiver.ts'
import { formatDuration, parseDuration } from '../lib/duration.ts'
import { messageOf } from '../lib/errors.ts'
import { type Context, type Loop, type Outcome, Retryable, Stalled, type Watch } from '../runtime/reconcile.ts'
import { readSecret } from '../runtime/secrets.ts'
import { assertProviders, compileRules } from './claims.ts'
import { compileFilter } from './filters.ts'

/** Queues the Receivers of a labelled Secret that has changed. Only metadata is watched: the token is read when used. */
const tokenChanged: Watch<Receiver> = ({ informers, own, environment, signal, enqueue }) => {
  const { featureGates, watchConfigsLabelSelector: labelSelector, watchAllNamespaces, runtimeNamespace } = environment.flags
  if (featureGates.get('DisableConfigWatchers')) return
  const usersOf = own.store.index('secretRef', ({ metadata, spec }) =>
    spec.secretRef ? [`${metadata.namespace}/${spec.secretRef.name}`] : [],
  )
  const options = { ...(!watchAllNamespaces && { namespace: runtimeNamespace }), labelSelector, metadataOnly: true }
  const stop = informers.get({ apiVersion: 'v1', kind: 'Secret' }, options).subscribe(({ object, initial }) => {
    if (initial) return
    for (const receiver of usersOf(keyText(keyOf(object)))) enqueue(keyOf(receiver), 'config')
  })
  signal.addEventListener('abort', stop, { once: true })
}

export const receiverLoop: Loop<Receiver> = {
  kind: receiverKind,
  controller: 'notification-controller',
  concurrent: 4,
  conditions: [],
  inProgress: 'Reconciliation in progress',
  unsupported: [],
  isQuiet: true,
  watches: [tokenChanged],
  reconcile,
  finalize: async () => {}, // nothing outlives it
}

const defaultInterval = '10m'

/** @throws Stalled for a spec that cannot work, Retryable while the Secret has no token. */
async function reconcile(receiver: Receiver, cx: Context<Receiver>): Promise<Outcome<Receiver>> {
  assertFilters(receiver)
  assertOidc(receiver)
  cx.progress('Reconciliation in progress')
  const webhookPath = pathOf(receiver, await tokenOf(receiver, cx))
  const message = `Receiver initialized for path: ${webhookPath}`
  if (receiver.status?.webhookPath !== webhookPath) cx.log.info({}, message)
  const interval = parseDuration(receiver.spec.interval ?? defaultInterval)
  return {
    ready: { reason: 'Succeeded', message },
    status: { webhookPath },
    requeueAfterMs: interval,
    isPunctual: true,
    event: {
      severity: 'info',
      reason: 'Succeeded',
      message: `Reconciliation finished, next run in ${formatDuration(interval)}`,
    },
  }
}

function assertFilters({ spec }: Receiver): void {
  const withClaims = spec.type === 'generic-oidc'
  const assert = (expression: string | undefined, what: string) => {
    if (!expression) return
    terminal('InvalidCELExpression', () => compileFilter(expression, { withClaims }), `invalid ${what}: `)
  }
  assert(spec.resourceFilter, 'resourceFilter expression')
  for (const [index, { kind, name, filter }] of spec.resources.entries())
    assert(filter, `filter expression for resources[${index}] (kind="${kind}", name="${name}")`)
}

/** Rules of the CRD, for API servers that did not ask, and the expressions. */
function assertOidc({ spec: { type, oidcProviders = [], secretRef } }: Receiver): void {
  const isOidc = type === 'generic-oidc'
  const rules: readonly (readonly [isBroken: boolean, message: string])[] = [
    [isOidc && oidcProviders.length === 0, 'generic-oidc receiver requires at least one oidcProvider'],
    [!isOidc && oidcProviders.length > 0, 'oidcProviders can only be set when type is generic-oidc'],
    [isOidc && secretRef !== undefined, 'secretRef cannot be set when type is generic-oidc'],
    [!isOidc && secretRef === undefined, 'secretRef is required when type is not generic-oidc'],
  ]
  const broken = rules.find(([isBroken]) => isBroken)
  if (broken) throw terminally('ValidationFailed', broken[1])
  terminal('ValidationFailed', () => assertProviders(oidcProviders))
  for (const [index, provider] of oidcProviders.entries())
    terminal('InvalidCELExpression', () => compileRules(provider), `oidcProviders[${index}] (issuerURL="${provider.issuerURL}"): `)
}

function terminal(reason: string, check: () => unknown, prefix = ''): void {
  try {
    check()
  } catch (error) {
    throw terminally(reason, `${prefix}${messageOf(error)}`, error)
  }
}

function terminally(reason: string, message: string, cause?: unknown): Stalled {
  return new Stalled(reason, `Reconciliation failed terminally due to configuration error: ${message}`, { cause })
}

/** Without a Secret it is empty: callers show tokens of their own. */
async function tokenOf({ metadata: { namespace }, spec: { secretRef } }: Receiver, cx: Context<Receiver>): Promise<Buffer> {
  if (!secretRef) return Buffer.alloc(0)
  const { name } = secretRef
  try {
    const { token } = await readSecret(cx.client, { namespace, name }, cx.signal)
    if (token !== undefined) return Buffer.from(token, 'base64')
  } catch (error) {
    cx.signal.throwIfAborted()
    throw notFound(cx, `unable to read token from secret '${namespace}/${name}' error: ${messageOf(error)}`, error)
  }
  throw notFound(cx, `invalid '${namespace}/${name}' secret data: required fields 'token'`)
}

/** Without its token nobody may call. */
function notFound(cx: Context<Receiver>, message: string, cause?: unknown): Retryable {
  cx.set({ webhookPath: undefined })
  return new Retryable('TokenNotFound', message, { cause, eventReason: 'Failed' })
}

function pathOf({ metadata: { name, namespace } }: Receiver, token: Buffer): string {
  const bytes = Buffer.concat([token, Buffer.from(name + namespace)])
  return `/hook/${createHash('sha256').update(bytes).digest('hex')}`
}
