import { describe, expect, it } from 'vitest'
import type { KustomizationSpec } from '../../src/api/kustomization.ts'
import { Deadlines, healthTargets, timeoutMs } from '../../src/kustomize/health.ts'
import { healthRule } from '../../src/runtime/health-expressions.ts'
import { ManualClock } from '../fakes/clock.ts'
import { kustomization } from './objects.ts'

const refOf = (kind: string, name: string) => ({ apiVersion: 'apps/v1', kind, namespace: 'flux', name })

describe('what is waited for', () => {
  const changes = [
    { ref: refOf('Deployment', 'web'), action: 'unchanged' },
    { ref: refOf('Deployment', 'new'), action: 'created' },
    { ref: refOf('Deployment', 'ignored'), action: 'skipped' },
    { ref: { ...refOf('Kustomization', 'apps'), apiVersion: 'kustomize.toolkit.fluxcd.io/v1' }, action: 'configured' },
  ] as const
  const names = (spec: Partial<KustomizationSpec>) =>
    healthTargets(kustomization('apps', spec), changes).map(({ ref }) => `${ref.apiVersion} ${ref.kind} ${ref.name}`)

  it('KUS-HLT-01 is everything applied, but neither skipped objects nor the Kustomization itself', () => {
    expect(names({ wait: true, healthChecks: [{ kind: 'Deployment', name: 'other' }] })).toEqual([
      'apps/v1 Deployment web',
      'apps/v1 Deployment new',
    ])
  })

  it('KUS-HLT-02 is the list of the spec without wait', () => {
    const healthChecks = [
      { kind: 'Deployment', name: 'other', namespace: 'flux' },
      { apiVersion: 'batch/v1', kind: 'Job', name: 'migrate', namespace: 'flux' },
    ]
    expect(names({ healthChecks })).toEqual(['apps/v1 Deployment other', 'batch/v1 Job migrate'])
    expect(names({})).toEqual([])
  })
})

describe('the time for it', () => {
  it('KUS-REC-02 is the timeout, else 30 seconds less than the interval, and never below 30 seconds', () => {
    expect(timeoutMs(kustomization('a', { timeout: '2m' }))).toBe(120_000)
    expect(timeoutMs(kustomization('a', { timeout: '1s' }))).toBe(30_000)
    expect(timeoutMs(kustomization('a', { interval: '10m' }))).toBe(570_000)
    expect(timeoutMs(kustomization('a', { interval: '45s' }))).toBe(30_000)
  })

  it('KUS-HLT-05 F-APP-15 goes on after an interruption, and begins anew for another revision, generation or try', () => {
    const clock = new ManualClock()
    const deadlines = new Deadlines()
    const ks = kustomization('a', { timeout: '60s' })
    expect(deadlines.left(ks, 'rev-1', clock)).toBe(60_000)
    clock.advance(50_000)
    expect(deadlines.left(ks, 'rev-1', clock)).toBe(10_000)
    clock.advance(50_000)
    expect(deadlines.left(ks, 'rev-1', clock)).toBe(0)
    expect(deadlines.left(ks, 'rev-2', clock)).toBe(60_000)
    const edited = { ...ks, metadata: { ...ks.metadata, generation: 2 } }
    clock.advance(1_000)
    expect(deadlines.left(edited, 'rev-2', clock)).toBe(60_000)
    clock.advance(1_000)
    deadlines.forget({ namespace: 'flux', name: 'a' })
    expect(deadlines.left(edited, 'rev-2', clock)).toBe(60_000)
  })
})

describe('healthCheckExprs', () => {
  const certificate = (status: object, generation = 2) => ({
    apiVersion: 'certs.example.com/v1',
    kind: 'Certificate',
    metadata: { name: 'web', generation },
    status,
  })
  const rule = (...expressions: NonNullable<KustomizationSpec['healthCheckExprs']>[number][]) =>
    healthRule(kustomization('a', { healthCheckExprs: expressions }).spec.healthCheckExprs)
  const issued = {
    apiVersion: 'certs.example.com/v1',
    kind: 'Certificate',
    inProgress: "status.phase == 'Pending'",
    failed: "status.phase == 'Denied'",
    current: "status.phase == 'Issued' || status.phase == 'Pending'",
  }

  it('KUS-HLT-03 decide in the order in progress, failed, current', () => {
    const decide = rule(issued)
    expect(decide?.(certificate({ phase: 'Pending' }))?.status).toBe('InProgress')
    expect(decide?.(certificate({ phase: 'Denied' }))?.status).toBe('Failed')
    expect(decide?.(certificate({ phase: 'Issued' }))?.status).toBe('Current')
    expect(decide?.(certificate({ phase: 'Other' }))?.status).toBe('InProgress')
  })

  it('KUS-HLT-03 wait for the controller to see the last change', () => {
    expect(rule(issued)?.(certificate({ phase: 'Issued', observedGeneration: 1 }))?.status).toBe('InProgress')
    expect(rule(issued)?.(certificate({ phase: 'Issued', observedGeneration: 2 }))?.status).toBe('Current')
  })

  it('KUS-HLT-03 F-APP-14 give Unknown where a field is missing', () => {
    expect(rule(issued)?.(certificate({}))).toMatchObject({ status: 'Unknown' })
  })

  it('KUS-HLT-03 apply to one kind, or to all kinds of a group, and to no other', () => {
    const ofGroup = { apiVersion: 'certs.example.com/v1', current: 'true' }
    const decide = rule(issued, ofGroup)
    expect(decide?.(certificate({ phase: 'Denied' }))?.status).toBe('Failed')
    expect(decide?.({ ...certificate({}), kind: 'Issuer', apiVersion: 'certs.example.com/v2' })?.status).toBe('Current')
    expect(decide?.({ ...certificate({}), apiVersion: 'apps/v1' })).toBeUndefined()
    expect(rule()).toBeUndefined()
  })

  it('KUS-HLT-03 F-APP-14 stall the Kustomization when one cannot be parsed or is there twice', () => {
    const stalled = 'Reconciliation failed terminally due to configuration error: '
    expect(() => rule({ ...issued, current: 'status.' })).toThrow(
      `${stalled}failed to create custom status evaluator for healthchecks[0]: failed to parse the expression Current`,
    )
    expect(() => rule(issued, { ...issued, apiVersion: 'certs.example.com/v9' })).toThrow(
      `${stalled}duplicate custom health check for GroupKind Certificate.certs.example.com at healthchecks[1]`,
    )
  })

  it('F-APP-14 end an expression that takes too long', () => {
    const items = Array.from({ length: 300 }, (_, i) => `${i}`)
    const slow = "status.items.all(a, status.items.all(b, status.items.all(c, a + b + c != 'x')))"
    const decide = rule({ ...issued, inProgress: slow })
    expect(decide?.(certificate({ items }))).toMatchObject({ status: 'Unknown', message: expect.stringContaining('timed out') })
  })
})
