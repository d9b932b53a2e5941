/** Builds the files that it is handed, in a thread whose memory is bounded: see hostile.test.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import { build } from '../../../src/lib/kustomize/index.ts'
import { memoryTree } from '../../../src/lib/tree.ts'

try {
  const result = await build(memoryTree(workerData), '', { loadRestrictor: 'LoadRestrictionsNone', reorder: 'none' })
  parentPort?.postMessage({ yaml: result.yaml() })
} catch (error) {
  const isMeant = error instanceof Error && 'place' in error
  parentPort?.postMessage({ error: `${isMeant ? '' : 'crash: '}${error instanceof Error ? error.message : error}` })
}
