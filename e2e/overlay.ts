/** Another installation of `deploy/` for the time of a step. */
import { loadAll } from 'js-yaml'
import { overlayWith } from './install.ts'
import { fluxNamespace, type Stage } from './stage.ts'

interface Named {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
}

/** Replaces the default installation by an overlay's and waits for its pods. Disposing brings the default back. */
export async function installed(stage: Stage, overlay: string): Promise<AsyncDisposable> {
  await replace(stage, '.', overlay)
  return { [Symbol.asyncDispose]: () => replace(stage, overlay, '.') }
}

/** Applies one installation, then deletes what only the other one has. */
async function replace({ kubectl, images }: Stage, old: string, next: string): Promise<void> {
  const folder = await overlayWith(images.sluice, next)
  const kept = new Set(await objectsOf(folder))
  const gone = (await objectsOf(await overlayWith(images.sluice, old))).filter((object) => !kept.has(object))
  // By force: a step before may have had Sluice manage its own manifests.
  await kubectl('apply', '--server-side', '--force-conflicts', '--kustomize', folder)
  if (gone.length > 0) await kubectl('delete', '--namespace', fluxNamespace, '--timeout', '60s', ...gone)
  await kubectl('rollout', 'status', 'deployment/sluice-controller', '--namespace', fluxNamespace, '--timeout', '180s')

  /** As `kind.version.group/name`: all that is in a namespace is in Sluice's. */
  async function objectsOf(folder: string): Promise<string[]> {
    const objects = loadAll(await kubectl('kustomize', folder)) as readonly Named[]
    return objects.map(({ apiVersion, kind, metadata }) => {
      const [group = '', version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion]
      return `${kind}${group && `.${version}.${group}`}/${metadata.name}`
    })
  }
}
