import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { storageUsage } from '../../src/runtime/storage-usage.ts'
import { ManualClock } from '../fakes/clock.ts'
import { temporaryDirectory } from '../tools/processes.ts'

it('adds up the artifacts, without links to them and without what is not served, at most twice a minute', async () => {
  const directory = await temporaryDirectory('usage')
  const folder = join(directory, 'gitrepository/apps/web')
  await mkdir(folder, { recursive: true })
  await mkdir(join(directory, '.unpacked/web'), { recursive: true })
  await writeFile(join(folder, 'a.tar.gz'), '1234567')
  await symlink('a.tar.gz', join(folder, 'latest.tar.gz'))
  await writeFile(join(directory, '.unpacked/web/a.yaml'), 'unpacked')
  const clock = new ManualClock()
  const read = storageUsage(directory, clock)
  const { stored, size, available } = await read()
  expect(stored).toBe(7)
  expect(available).toBeGreaterThan(0)
  expect(size).toBeGreaterThanOrEqual(available)

  await writeFile(join(folder, 'b.tar.gz'), '123')
  clock.advance(29_000)
  expect((await read()).stored).toBe(7)
  clock.advance(1_000)
  expect((await read()).stored).toBe(10)
})
