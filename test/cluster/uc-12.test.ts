import { inject, it } from 'vitest'
import { startChartServer } from '../tools/chart-server.ts'
import { openCluster } from './harness.ts'
import { followRange } from './release-story.ts'

it('UC-12 installs the newest chart of a range, and takes back an upgrade that fails', { timeout: 180_000 }, async () => {
  await using charts = await startChartServer()
  await using cluster = await openCluster(inject('kubeconfig'), 'uc-12')
  await cluster.startSluice({ flags: { 'min-retry-delay': '50ms' } })
  const spec = { url: charts.url, interval: '1h' }
  await followRange(cluster, {
    manifests: [{ apiVersion: 'source.toolkit.fluxcd.io/v1', kind: 'HelmRepository', metadata: { name: 'stack' }, spec }],
    async publish(version, files) {
      charts.publish('stack', version, files)
    },
    async announce() {
      await cluster.reconcile('helmrepository/stack')
    },
  })
})
