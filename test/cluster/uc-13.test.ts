import { inject, it } from 'vitest'
import { packChart } from '../../src/lib/chart/index.ts'
import { chartOf } from '../tools/chart-server.ts'
import { pushChart } from '../tools/push.ts'
import { registryLogin, startRegistry } from '../tools/registry.ts'
import { openCluster } from './harness.ts'
import { followRange } from './release-story.ts'

it('UC-13 does the same with charts of a registry that asks for a login', { timeout: 180_000 }, async () => {
  await using registry = await startRegistry({ login: 'token' })
  await using cluster = await openCluster(inject('kubeconfig'), 'uc-13')
  await cluster.startSluice({ flags: { 'min-retry-delay': '50ms' } })
  const { namespace } = cluster
  const spec = { type: 'oci', url: registry.url('charts'), interval: '1h', insecure: true, secretRef: { name: 'login' } }
  const { username, password } = registryLogin
  const auth = { auths: { [registry.host]: { username, password } } }
  await followRange(cluster, {
    manifests: [
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'login', namespace },
        type: 'kubernetes.io/dockerconfigjson',
        stringData: { '.dockerconfigjson': JSON.stringify(auth) },
      },
      { apiVersion: 'source.toolkit.fluxcd.io/v1', kind: 'HelmRepository', metadata: { name: 'stack' }, spec },
    ],
    async publish(version, files) {
      const content = packChart(chartOf('stack', version, files))
      await pushChart(registry, 'charts/stack', { name: 'stack', version, content })
    },
    async announce() {
      await cluster.reconcile(`helmchart/${namespace}-monitoring`)
    },
  })
})
