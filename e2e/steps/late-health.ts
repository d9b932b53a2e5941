import assert from 'node:assert/strict'
import { conditionOf } from '../../test/tools/watch.ts'
import { webServer, yaml } from '../manifests.ts'
import type { Step } from '../stage.ts'

const name = 'late-health'
const lateBySeconds = 8

export const lateHealth: Step = {
  title: 'a Kustomization waits for a pod that becomes healthy late',
  smoke: true,
  async run(stage) {
    const startedAt = performance.now()
    const delivery = await stage.deliver(
      name,
      { 'web.yaml': yaml(webServer('web', stage.images.pods, { readyAfterSeconds: lateBySeconds })) },
      { wait: true },
    )
    const waiting = await delivery.until((object) => conditionOf(object, 'Reconciling')?.message.includes('health') === true)
    assert.notEqual(conditionOf(waiting, 'Ready')?.status, 'True', 'Ready while the pod is not')
    await delivery.ready()
    const seconds = (performance.now() - startedAt) / 1000
    assert.ok(seconds > lateBySeconds, `ready after ${seconds.toFixed(1)} s, before the pod can have been`)
    await stage.kubectl('wait', '--namespace', name, '--for=condition=Available', 'deployment/web', '--timeout', '1s')
    await delivery.remove()
  },
}
