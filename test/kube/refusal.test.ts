import { describe, expect, it } from 'vitest'
import type { KubeObject } from '../../src/api/object.ts'
import { masked, refusalText, wayOut } from '../../src/kube/refusal.ts'
import { ApiError } from '../../src/kube/transport.ts'

const ref = { apiVersion: 'v1', kind: 'Secret', namespace: 'a', name: 'b' }
const secret: KubeObject = {
  ...{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'b', namespace: 'a' } },
  ...{
    data: { password: Buffer.from('correct horse').toString('base64'), pin: 'MTI=' },
    stringData: { multi: 'first line\nsecond line' },
  },
}

describe('refusalText', () => {
  it('is that of Flux', () => {
    const invalid = new ApiError('admission webhook "w.example.com" denied the request: no', { status: 422, reason: 'Invalid' })
    expect(refusalText(ref, invalid, undefined)).toBe(
      'Secret/a/b dry-run failed (Invalid): admission webhook "w.example.com" denied the request: no',
    )
    const missing = new ApiError('namespaces "a" not found', { status: 404, reason: 'NotFound' })
    expect(refusalText(ref, missing, undefined)).toBe('Secret/a/b not found: namespaces "a" not found')
    expect(refusalText(ref, new Error('connection lost'), undefined)).toBe('Secret/a/b dry-run failed: connection lost')
  })
})

describe('F-SEC-07 masked', () => {
  it('hides values of a Secret, plain, encoded, and line by line', () => {
    const message = `got "correct horse", ${Buffer.from('correct horse').toString('base64')} and second line, pin 12 or MTI= of 120`
    expect(masked(message, secret)).toBe('got "***", *** and ***, pin *** or *** of 120')
  })

  it('leaves messages about other kinds as they are', () => {
    expect(masked('correct horse', { ...secret, kind: 'ConfigMap' })).toBe('correct horse')
  })
})

describe('F-APP-04 wayOut', () => {
  const invalid = (message: string, field?: string) =>
    new ApiError(message, { status: 422, reason: 'Invalid', causes: [{ message, ...(field && { field }) }] })

  it.each([
    ['Invalid value: {}: field is immutable', 'spec.selector'],
    ['Forbidden: updates to statefulset spec for fields other than replicas are forbidden', 'spec'],
    ['Invalid value: "x": may not change once set', 'spec.clusterIPs[0]'],
  ])('names the field for %j', (message, field) => {
    expect(wayOut(invalid(message, field), 'g')).toContain(`; ${field} cannot be changed in place`)
    expect(wayOut(invalid(message, field), 'g')).toContain('g/force: enabled')
  })

  it('knows rules of CRDs and webhooks by their text', () => {
    expect(wayOut(invalid('the name is immutable'), 'g')).toContain('the field cannot be changed in place')
  })

  it('says nothing about other errors', () => {
    expect(wayOut(invalid('must be greater than 0', 'spec.size'), 'g')).toBe('')
  })
})
