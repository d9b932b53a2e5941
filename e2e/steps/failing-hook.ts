import assert from 'node:assert/strict'
import { conditionOf, hasCondition } from '../../test/tools/watch.ts'
import { job, webServer, yaml } from '../manifests.ts'
import { fluxNamespace, type Step } from '../stage.ts'

const name = 'failing-hook'

export const failingHook: Step = {
  title: 'a HelmRelease whose hook fails says so with the last lines of its log; a commit mends it',
  async run(stage) {
    const { kubectl, images } = stage
    const broken = 'console.log("connecting to the database"); console.error("schema 7 is newer than 6"); process.exit(3)'
    const delivery = await stage.deliver(name, { ...chart(images.pods, broken, '1.0.0'), 'kustomization.yaml': nothing })
    await delivery.ready()
    const chartOf = { chart: './chart', sourceRef: { kind: 'GitRepository', name }, reconcileStrategy: 'Revision', interval: '1h' }
    await kubectl.apply({
      apiVersion: 'helm.toolkit.fluxcd.io/v2',
      kind: 'HelmRelease',
      metadata: { name, namespace: fluxNamespace },
      spec: { chart: { spec: chartOf }, interval: '1h', timeout: '60s', targetNamespace: name, releaseName: 'web' },
    })
    const failed = await stage.until(`helmrelease/${name}`, hasCondition('Ready', 'False', 'InstallFailed'))
    const message = conditionOf(failed, 'Ready')?.message ?? ''
    stage.note(message)
    assert.match(message, /schema 7 is newer than 6/)

    await delivery.push(chart(images.pods, 'console.log("migrated")', '1.0.1'), 'Mend it')
    await stage.until(`helmrelease/${name}`, hasCondition('Ready', 'True'))
    await kubectl('wait', '--namespace', name, '--for=condition=Available', 'deployment/web', '--timeout', '1s')
    await kubectl('delete', 'helmrelease', name, '--namespace', fluxNamespace, '--timeout', '60s')
    assert.equal(await kubectl('get', 'deployments', '--namespace', name, '--output', 'name'), '', 'what the release has left')
    await delivery.remove()
  },
}

/** The repository is read for its chart; there is nothing to apply. */
const nothing = 'resources: []\n'

function chart(image: string, script: string, version: string): Record<string, string> {
  const hook = { annotations: { 'helm.sh/hook': 'pre-install,pre-upgrade', 'helm.sh/hook-delete-policy': 'before-hook-creation' } }
  return {
    'chart/Chart.yaml': `apiVersion: v2\nname: web\nversion: ${version}\n`,
    'chart/templates/hook.yaml': yaml(job('migrate', image, script, hook)),
    'chart/templates/web.yaml': yaml(webServer('web', image)),
  }
}
