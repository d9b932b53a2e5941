/** What a commit status is called: one id for each object and cluster, or what an expression says. */
import { describe, expect, it } from 'vitest'
import type { Alert } from '../../src/api/alert.ts'
import type { Provider, ProviderSpec } from '../../src/api/provider.ts'
import { commitStatusOf } from '../../src/notification/settings.ts'
import { providerUid, told } from './providers/git-host-fixtures.ts'

const { event } = told({ metadata: { environment: 'production', 'with/slash': 'x' } })
const alert = { metadata: { namespace: 'apps', name: 'test-alert' }, spec: {} } as unknown as Alert

function idOf(commitStatusExpr?: string, spec: Partial<ProviderSpec> = {}): string {
  const metadata = { namespace: 'apps', name: 'git', uid: providerUid, labels: { cluster: 'eu-1' } }
  return commitStatusOf(event, alert, { metadata, spec: { type: 'github', ...spec, commitStatusExpr } } as unknown as Provider)
}

describe('the id of a commit status', () => {
  it('NOT-PRV-06 is that of the object and of the Provider, so that clusters leave each other alone', () => {
    expect(idOf()).toBe('kustomization/app/0c9c2e41')
  })

  it('NOT-PRV-09 is what the expression makes of event, Alert and Provider', () => {
    const parts = [
      'event.involvedObject.kind',
      'event.involvedObject.name',
      'event.metadata.environment',
      'provider.metadata.uid',
      'alert.metadata.name',
    ].join(" + '/' + ")
    expect(idOf(parts)).toBe(`Kustomization/App/production/${providerUid}/test-alert`)
    expect(idOf(`(${parts}).lowerAscii()`)).toBe(`kustomization/app/production/${providerUid}/test-alert`)
    expect(idOf("event.severity + provider.metadata.labels['cluster'] + event.metadata['with/slash']")).toBe('infoeu-1x')
    expect(idOf("event.severity == 'error' ? 'a' : provider.spec.type")).toBe('github')
  })

  for (const [expression, why] of [
    ["event.involvedObject.kind + '/' + notification.metadata.name", 'an unknown variable'],
    ["kustomization.metadata.name + '/' + provider.metadata.uid", 'an unknown object'],
    ['event.metadata.nothing', 'a missing field'],
    ['event.metadata', 'no text'],
    ['1', 'a number'],
    ["'a' +", 'no expression'],
  ] as const)
    it(`NOT-PRV-09 is refused ${why}: ${expression}`, () => {
      expect(() => idOf(expression)).toThrow(
        'failed to create commit status: failed to evaluate the spec.commitStatusExpr CEL expression for the event: ',
      )
    })
})
