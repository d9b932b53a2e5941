import assert from 'node:assert/strict'
import { isReady } from '../../test/tools/watch.ts'
import { configMap, yaml } from '../manifests.ts'
import { sluicePod } from '../pod.ts'
import { fluxNamespace, type Step } from '../stage.ts'

const name = 'lost-storage'
/** The image has no shell, but Node. */
const wipe = 'for (const name of fs.readdirSync("/data")) fs.rmSync("/data/" + name, { recursive: true }); console.log("wiped")'

export const lostStorage: Step = {
  title: "Sluice's storage is deleted under it: artifacts come back, and the next commit is applied",
  async run(stage) {
    const { kubectl } = stage
    const delivery = await stage.deliver(name, { 'a.yaml': yaml(configMap('a', { text: 'one' })) })
    await delivery.ready()
    const pod = await sluicePod(stage)
    const said = await kubectl('exec', '--namespace', fluxNamespace, pod.metadata.name, '--', 'node', '--eval', wipe)
    assert.equal(said, 'wiped\n')

    // The same commit: what was downloaded before is gone and must be made again.
    const asked = new Date().toISOString()
    await kubectl(
      'annotate',
      '--overwrite',
      '--namespace',
      fluxNamespace,
      `gitrepository/${name}`,
      `reconcile.fluxcd.io/requestedAt=${asked}`,
    )
    const source = await stage.until(
      `gitrepository/${name}`,
      (object) => isReady()(object) && object.status?.lastHandledReconcileAt === asked,
    )
    const { path = '' } = source.status?.artifact ?? {}
    const size = `console.log(fs.statSync("/data/" + ${JSON.stringify(path)}).size > 0)`
    assert.equal(await kubectl('exec', '--namespace', fluxNamespace, pod.metadata.name, '--', 'node', '--eval', size), 'true\n')

    await delivery.push({ 'a.yaml': yaml(configMap('a', { text: 'two' })) }, 'Two')
    await delivery.ready()
    assert.equal(await kubectl('get', 'configmap', 'a', '--namespace', name, '--output', 'jsonpath={.data.text}'), 'two')
    await delivery.remove()
  },
}
