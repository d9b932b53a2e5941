import assert from 'node:assert/strict'
import { conditionOf, hasCondition } from '../../test/tools/watch.ts'
import { webServer, yaml } from '../manifests.ts'
import type { Step } from '../stage.ts'

const name = 'crash-loop'

export const crashLoop: Step = {
  title: 'a Kustomization whose pod crash-loops fails, and says which pod and why; a commit mends it',
  smoke: true,
  async run(stage) {
    const crashing = yaml(crashingDeployment(stage.images.pods))
    const delivery = await stage.deliver(name, { 'web.yaml': crashing }, { wait: true, retryInterval: '1h' })
    const failed = await delivery.until(hasCondition('Ready', 'False', 'HealthCheckFailed'))
    const message = conditionOf(failed, 'Ready')?.message ?? ''
    stage.note(message)
    assert.match(message, /Deployment\/crash-loop\/web status: 'Failed': ProgressDeadlineExceeded/)
    assert.match(message, /pod web-\w+-\w+: container web: (CrashLoopBackOff, )?exit code 7 \(Error\)/)

    await delivery.push({ 'web.yaml': yaml(webServer('web', stage.images.pods)) }, 'Mend it')
    await delivery.ready()
    await delivery.remove()
  },
}

/** With a readiness probe: without one, a container counts as ready for the moment that it runs. */
function crashingDeployment(image: string): object {
  const labels = { app: 'web' }
  const readinessProbe = { tcpSocket: { port: 8080 }, periodSeconds: 1 }
  const container = { name: 'web', image, command: ['node', '--eval', 'process.exit(7)'], readinessProbe }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      progressDeadlineSeconds: 5,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [container] } },
    },
  }
}
