/**
 * On a volume of 1 MiB: stores a small artifact, fails to store a big one, removes the filling, and stores again. Prints what
 * happened as JSON.
 */
import { randomBytes } from 'node:crypto'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../../src/lib/errors.ts'
import { writeTarball } from '../../src/lib/tarball/index.ts'
import { ArtifactStore, diskTrouble } from '../../src/runtime/artifact-store.ts'
import { systemClock } from '../../src/runtime/clock.ts'

const [directory = ''] = process.argv.slice(2)
const owner = { kind: 'GitRepository', namespace: 'a', name: 'b' }
const store = await ArtifactStore.create({
  directory,
  advertisedAddress: 'localhost',
  isServed: () => true,
  retention: { ttlMs: 60_000, records: 2 },
  clock: systemClock,
  workers: { run: () => Promise.reject(new Error('not used')), close: () => Promise.resolve() },
})

async function put(fileName: string, bytes: number) {
  const temporaryFile = store.temporaryFile()
  const written = await writeTarball(temporaryFile, [{ path: 'x', executable: false, content: randomBytes(bytes) }])
  return store.store(owner, { temporaryFile, fileName, revision: 'r', ...written })
}

const first = await put('first.tar.gz', 1000)
const filling = join(directory, 'filling')
writeFileSync(filling, Buffer.alloc(700_000))
const failure: unknown = await put('second.tar.gz', 600_000).then(
  () => undefined,
  (error: unknown) => error,
)
const afterFailure = {
  failure: failure && (diskTrouble(failure) ?? messageOf(failure)),
  first: await store.verify(first),
  stored: readdirSync(join(directory, 'gitrepository/a/b')),
  temporary: readdirSync(join(directory, '.tmp')),
}
rmSync(filling)
const third = await put('third.tar.gz', 600_000)
process.stdout.write(JSON.stringify({ ...afterFailure, third: await store.verify(third) }))
