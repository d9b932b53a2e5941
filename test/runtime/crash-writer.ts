/** Stores artifacts without end, each named after its digest; prints a line for each. The test kills it. */
import { randomBytes } from 'node:crypto'
import { writeTarball } from '../../src/lib/tarball/index.ts'
import { ArtifactStore } from '../../src/runtime/artifact-store.ts'
import { systemClock } from '../../src/runtime/clock.ts'

const [directory = ''] = process.argv.slice(2)
const store = await ArtifactStore.create({
  directory,
  advertisedAddress: 'localhost',
  isServed: () => true,
  retention: { ttlMs: 60_000, records: 2 },
  clock: systemClock,
  workers: { run: () => Promise.reject(new Error('not used')), close: () => Promise.resolve() },
})

for (;;) {
  const temporaryFile = store.temporaryFile()
  const written = await writeTarball(temporaryFile, [{ path: 'x', executable: false, content: randomBytes(2_000_000) }])
  const fileName = `${written.digest.replace('sha256:', '')}.tar.gz`
  await store.store({ kind: 'GitRepository', namespace: 'a', name: 'b' }, { temporaryFile, fileName, revision: 'r', ...written })
  process.stdout.write(`${fileName}\n`)
}
