import { describe, expect, inject, it } from 'vitest'
import { type Cluster, conditionOf, hasCondition, isReady, openCluster } from './harness.ts'

describe('UC-07 objects with rules of their own, scripts and log formats', () => {
  it('UC-07 delivers scripts intact, fills in variables and defaults, and leaves marked objects their text', async () => {
    await using cluster = await openCluster(inject('kubeconfig'), 'uc-07')
    await sync(cluster)

    const scripts = await cluster.get('configmap/scripts')
    expect(scripts.data?.['start.sh']).toBe(
      [
        '#!/bin/sh',
        'for name in $NAMES; do',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own syntax, which has to arrive
        '  echo "hello $name from ${HOME:-nowhere} in eu-north"',
        'done',
        'exec server --level=info --zone="a"',
        '',
      ].join('\n'),
    )
    expect(scripts.data?.['nginx.conf']).toBe('log_format main \'$remote_addr - $remote_user [$time_local] "$request"\';\n')
    for (const mark of ['annotation', 'label']) {
      const verbatim = await cluster.get(`configmap/verbatim-by-${mark}`)
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the text as it stands in Git
      expect(verbatim.data).toEqual({ template: '${region} ${nobody_defined_this} $${escaped}' })
    }
  })

  it('UC-07 keeps objects marked against pruning, by annotation or label, when their file is gone from Git', async () => {
    await using cluster = await openCluster(inject('kubeconfig'), 'uc-07')
    const repository = await sync(cluster)
    const commit = await repository.commit({ 'app/kept.yaml': null }, 'Forget what is kept')
    await cluster.reconcile('gitrepository/app')
    await cluster.until('kustomization/app', isReady(commit))

    await cluster.untilGone('configmap/not-kept')
    for (const mark of ['annotation', 'label']) {
      expect((await cluster.get(`configmap/kept-by-${mark}`)).data).toEqual({ region: 'eu-north' })
    }
  })

  it('UC-07 names the undefined variable and its file in strict mode, and applies nothing', async () => {
    await using cluster = await openCluster(inject('kubeconfig'), 'uc-07')
    await sync(cluster)
    await cluster.apply(kustomization(cluster, 'logging'))
    const refused = await cluster.until('kustomization/logging', hasCondition('Ready', 'False', 'BuildFailed'))
    const message = conditionOf(refused, 'Ready')?.message
    expect(message).toContain('log_port')
    expect(message).toContain('logging/agent.yaml')
    await cluster.untilGone('configmap/agent')
  })
})

/** Syncs the folder `app` and waits until it is applied. */
async function sync(cluster: Cluster) {
  await cluster.startSluice()
  const repository = await cluster.repositoryOf('scenarios/uc-07/repository', 'app')
  await cluster.apply(cluster.gitRepository('app'), kustomization(cluster, 'app'))
  await cluster.until('kustomization/app', isReady(await repository.head()))
  return repository
}

function kustomization(cluster: Cluster, folder: string) {
  return cluster.kustomization(folder, {
    path: `./${folder}`,
    sourceRef: { kind: 'GitRepository', name: 'app' },
    targetNamespace: cluster.namespace,
    postBuild: { substitute: { region: 'eu-north' } },
  })
}
