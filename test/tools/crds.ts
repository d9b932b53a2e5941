/** Sluice's own CRDs on a test cluster. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Kubectl } from './kubectl.ts'

const folder = join(import.meta.dirname, '../../crds')

/** Applies `crds/` and waits until the API server serves them; does nothing while the folder is not there. */
export async function installCrds(kubectl: Kubectl): Promise<void> {
  if (!existsSync(folder)) return
  await kubectl('apply', '--server-side', '--force-conflicts', '-k', folder)
  await kubectl('wait', '--for', 'condition=Established', '--timeout=30s', 'crd', '--all')
}
