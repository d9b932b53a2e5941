/** Runs of Receivers whose spec cannot work, and the paths of those that can. */
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { Receiver, ReceiverSpec } from '../../src/api/receiver.ts'
import { receiverLoop } from '../../src/notification/receiver.ts'
import type { Context } from '../../src/runtime/reconcile.ts'
import { namespace, openWorld, secret } from './world.ts'

async function run(spec: Partial<ReceiverSpec>, data?: Record<string, string>) {
  const world = openWorld()
  if (data) world.put(secret('token', data))
  const set: object[] = []
  const context = {
    ...world.environment,
    signal: new AbortController().signal,
    progress: () => {},
    set: (status: object) => set.push(status),
  } as unknown as Context<Receiver>
  const receiver = {
    apiVersion: 'notification.toolkit.fluxcd.io/v1',
    kind: 'Receiver',
    metadata: { namespace, name: 'hook', generation: 1 },
    spec: { type: 'github', resources: [{ kind: 'GitRepository', name: 'app' }], ...spec },
  } as Receiver
  return receiverLoop.reconcile(receiver, context).then(
    (outcome) => ({ outcome, set, error: undefined }),
    (error: Error & { reason?: string; eventReason?: string }) => ({ outcome: undefined, set, error }),
  )
}

const secretRef = { name: 'token' }
const validations = [{ expression: 'true', message: 'm' }]
const oidc = (more: object, type = 'generic-oidc') =>
  ({ type, oidcProviders: [{ issuerURL: 'https://a', validations, ...more }] }) as Partial<ReceiverSpec>

describe('a Receiver that cannot work', () => {
  it.each([
    ['no secret', {}, 'ValidationFailed', 'secretRef is required when type is not generic-oidc'],
    ['no issuers', { type: 'generic-oidc' }, 'ValidationFailed', 'generic-oidc receiver requires at least one oidcProvider'],
    [
      'issuers of another type',
      { ...oidc({}, 'github'), secretRef },
      'ValidationFailed',
      'oidcProviders can only be set when type is generic-oidc',
    ],
    ['issuers and a secret', { ...oidc({}), secretRef }, 'ValidationFailed', 'secretRef cannot be set when type is generic-oidc'],
    ['no address', oidc({ issuerURL: '' }), 'ValidationFailed', 'oidcProviders[0]: issuerURL is required'],
    ['another scheme', oidc({ issuerURL: 'ftp://a' }), 'ValidationFailed', 'must start with http:// or https://'],
    [
      'an issuer twice',
      { ...oidc({}), oidcProviders: [...(oidc({}).oidcProviders ?? []), ...(oidc({}).oidcProviders ?? [])] },
      'ValidationFailed',
      'oidcProviders[1]: duplicate issuerURL "https://a"',
    ],
    ['no validation', oidc({ validations: [] }), 'ValidationFailed', 'at least one validation is required'],
    [
      'an unnamed variable',
      oidc({ variables: [{ name: '', expression: '1' }] }),
      'ValidationFailed',
      'variables[0]: name is required',
    ],
    [
      'an empty variable',
      oidc({ variables: [{ name: 'x', expression: '' }] }),
      'ValidationFailed',
      'variables[0] (name="x"): expression is required',
    ],
    [
      'an empty validation',
      oidc({ validations: [{ expression: '', message: 'm' }] }),
      'ValidationFailed',
      'validations[0]: expression is required',
    ],
    [
      'a silent validation',
      oidc({ validations: [{ expression: 'true', message: '' }] }),
      'ValidationFailed',
      'validations[0]: message is required',
    ],
    [
      'a variable that does not compile',
      oidc({ variables: [{ name: 'x', expression: '1 +' }] }),
      'InvalidCELExpression',
      'oidcProviders[0] (issuerURL="https://a"): invalid expression for variable "x": ',
    ],
    [
      'a validation that is no condition',
      oidc({ validations: [{ expression: "'x'", message: 'm' }] }),
      'InvalidCELExpression',
      'invalid expression for validation "m": ',
    ],
    [
      'a filter with unknown names',
      { secretRef, resourceFilter: 'who.knows' },
      'InvalidCELExpression',
      'invalid resourceFilter expression: ',
    ],
    [
      'a filter with claims',
      { secretRef, resourceFilter: "claims.x == 'y'" },
      'InvalidCELExpression',
      'invalid resourceFilter expression: ',
    ],
  ] as const)('F-RCV-07 stalls with %s', async (_name, spec, reason, message) => {
    const { error } = await run(spec as Partial<ReceiverSpec>, { token: 't' })
    expect([error?.name, error?.reason]).toEqual(['Stalled', reason])
    expect(error?.message).toMatch(/^Reconciliation failed terminally due to configuration error: /)
    expect(error?.message).toContain(message)
  })

  it.each([
    ['is not there', undefined, "unable to read token from secret 'apps/token' error: "],
    ['has no token', { other: 'x' }, "invalid 'apps/token' secret data: required fields 'token'"],
  ])('NOT-RCV-03 waits for its Secret, and takes its path back, while it %s', async (_name, data, message) => {
    const { error, set } = await run({ secretRef }, data)
    expect([error?.name, error?.reason, error?.eventReason]).toEqual(['Retryable', 'TokenNotFound', 'Failed'])
    expect(error?.message).toContain(message)
    expect(set).toEqual([{ webhookPath: undefined }])
  })
})

describe('the path of a Receiver', () => {
  const path = (token: string) => `/hook/${createHash('sha256').update(`${token}hook${namespace}`).digest('hex')}`

  it('NOT-RCV-03 is of token, name and namespace, and of nothing else', async () => {
    const { outcome } = await run({ secretRef }, { token: 't' })
    expect(outcome).toEqual({
      ready: { reason: 'Succeeded', message: `Receiver initialized for path: ${path('t')}` },
      status: { webhookPath: path('t') },
      requeueAfterMs: 600_000,
      isPunctual: true,
      event: { severity: 'info', reason: 'Succeeded', message: 'Reconciliation finished, next run in 10m0s' },
    })
    const other = await run({ secretRef, type: 'gitlab', events: ['x'], interval: '1h30m', resourceFilter: 'true' }, { token: 't' })
    expect(other.outcome?.status).toEqual({ webhookPath: path('t') })
    expect(other.outcome?.requeueAfterMs).toBe(5_400_000)
  })

  it('NOT-RCV-03 needs no token for generic-oidc, whose filters may ask for claims', async () => {
    const { outcome } = await run({ ...oidc({}), resourceFilter: "claims.sub == 'x'" })
    expect(outcome?.status).toEqual({ webhookPath: path('') })
  })
})
