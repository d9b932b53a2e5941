/** Installing Sluice from `deploy/` as its users do, and taking it away again. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { temporaryDirectory } from '../test/tools/processes.ts'
import type { Cluster } from './cluster.ts'
import { fluxNamespace } from './stage.ts'

/** A kustomization of an overlay of `deploy/` (`.` is the default) with this image; returns its folder. */
export async function overlayWith(image: string, overlay = '.'): Promise<string> {
  const folder = await temporaryDirectory('overlay')
  const colon = image.lastIndexOf(':')
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: [relative(folder, join(import.meta.dirname, '../deploy', overlay))],
    images: [{ name: 'sluice', newName: image.slice(0, colon), newTag: image.slice(colon + 1) }],
  }
  await writeFile(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization))
  return folder
}

/** Applies an overlay with kubectl, waits until Sluice is ready, and checks that the same once more changes nothing. */
export async function install({ kubectl }: Cluster, image: string, note: (line: string) => void): Promise<void> {
  const folder = await overlayWith(image)
  const startedAt = performance.now()
  await kubectl('apply', '--server-side', '--kustomize', folder)
  await kubectl('rollout', 'status', 'deployment/sluice-controller', '--namespace', fluxNamespace, '--timeout', '180s')
  note(`ready ${((performance.now() - startedAt) / 1000).toFixed(1)} s after kubectl apply`)
  // Applied from the client's side, the same is accepted too.
  await kubectl('apply', '--dry-run=server', '--kustomize', folder)
  assert.equal(await kubectl('diff', '--server-side', '--kustomize', folder), '', 'what kubectl diff says after kubectl apply')
}

/** Deletes what the test has made in a cluster that stays: first what Sluice must clean up after, then Sluice. */
export async function uninstall({ kubectl }: Cluster): Promise<void> {
  const kinds = 'kustomizations.kustomize.toolkit.fluxcd.io,helmreleases,gitrepositories,helmcharts'
  await kubectl('delete', kinds, '--all', '--all-namespaces', '--timeout', '120s').catch(() => {})
  await kubectl('delete', 'namespace', '--selector', 'sluice.dev/e2e=true', '--timeout', '120s').catch(() => {})
  await kubectl('delete', '--kustomize', join(import.meta.dirname, '../deploy'), '--ignore-not-found', '--timeout', '120s')
}
