import assert from 'node:assert/strict'
import { isReady } from '../../test/tools/watch.ts'
import { overlayWith } from '../install.ts'
import { sluicePod, sluicePods } from '../pod.ts'
import { fluxNamespace, type Step } from '../stage.ts'

const name = 'self-upgrade'

export const selfUpgrade: Step = {
  title: 'Sluice manages its own manifests: a commit upgrades it, and the new pod goes on',
  async run(stage) {
    const { kubectl, images } = stage
    const manifests = async (image: string) => ({ 'sluice.yaml': await kubectl('kustomize', await overlayWith(image)) })
    // Its own manifests name their namespaces, and must stay when the Kustomization goes.
    const spec = { targetNamespace: undefined, prune: false, wait: true }
    const delivery = await stage.deliver(name, await manifests(images.sluice), spec)
    await delivery.ready()
    const before = await sluicePod(stage)

    const upgraded = await manifests(images.next)
    // A cluster without a second image is upgraded to another setting.
    const file = upgraded['sluice.yaml'].replace('--log-level=info', '--log-level=debug')
    const startedAt = performance.now()
    const commit = await delivery.push({ 'sluice.yaml': file }, 'Upgrade')
    await delivery.until(isReady(commit), 180_000)
    stage.note(`upgraded ${((performance.now() - startedAt) / 1000).toFixed(1)} s after the push`)

    await kubectl('wait', '--namespace', fluxNamespace, '--for=delete', `pod/${before.metadata.name}`, '--timeout', '60s')
    const running = (await sluicePods(stage)).map(
      ({ spec }) => (spec?.containers as readonly { image: string }[] | undefined)?.[0]?.image,
    )
    assert.deepEqual(running, [images.next], 'the images of the pods')

    await delivery.push(await manifests(images.sluice), 'Go back')
    await delivery.ready(180_000)
    await delivery.remove()
    await kubectl('rollout', 'status', 'deployment/sluice-controller', '--namespace', fluxNamespace, '--timeout', '60s')
  },
}
