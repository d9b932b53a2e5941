import { expect, inject, it } from 'vitest'
import { isReady, openCluster } from './harness.ts'

it('UC-10 builds old spellings as kustomize does, and tells in the log which are deprecated and where', async () => {
  await using cluster = await openCluster(inject('kubeconfig'), 'uc-10')
  const sluice = await cluster.startSluice()
  const repository = await cluster.repositoryOf('scenarios/uc-10/repository', 'shop')
  const spec = { path: './overlay', targetNamespace: cluster.namespace }
  await cluster.apply(cluster.gitRepository('shop'), cluster.kustomization('shop', spec))
  await cluster.until('kustomization/shop', isReady(await repository.head()))

  const labels = { app: 'shop', region: 'eu' }
  const web = await cluster.get('deployment/eu-web')
  expect(web.metadata.labels).toMatchObject(labels)
  expect(web.spec).toMatchObject({
    replicas: 5,
    paused: true,
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: {
        containers: [
          {
            image: 'registry.example.com/web:v2',
            command: ['serve', '--as', 'eu-web'],
            resources: { limits: { memory: '64Mi' } },
          },
        ],
      },
    },
  })
  expect((await cluster.get('service/eu-web')).spec).toMatchObject({ selector: labels, ports: [{ port: 8080 }] })

  const overlay = [
    ['bases', 'resources'],
    ['commonLabels', 'labels'],
    ['patchesJson6902', 'patches'],
    ['patchesStrategicMerge', 'patches'],
    ['vars', 'replacements'],
  ].map((pair) => [...pair, 'overlay/kustomization.yaml'])
  for (const [field, successor, file] of [...overlay, ['commonLabels', 'labels', 'base/kustomization.yaml']]) {
    const warning = `# Warning: '${field}' is deprecated. Please use '${successor}' instead. (${file})`
    await sluice.untilLog((line) => line.name === 'shop' && line.warning === warning)
  }
})
