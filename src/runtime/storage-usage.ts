/** How full the volume of artifacts is. */
import { lstat, readdir, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from './clock.ts'
import type { StorageReading } from './readings.ts'

/** The files are counted at most this often: there may be thousands, and who asks for metrics asks often. */
const freshMs = 30_000

/** Returns a function that reads it: anew when the last reading is half a minute old. */
export function storageUsage(directory: string, clock: Clock): () => Promise<StorageReading> {
  let last: { readonly atMs: number; readonly reading: Promise<StorageReading> } | undefined
  return () => {
    const now = clock.monotonic()
    if (!last || now - last.atMs >= freshMs) last = { atMs: now, reading: readUsage(directory) }
    return last.reading
  }
}

async function readUsage(directory: string): Promise<StorageReading> {
  const { bsize, blocks, bavail } = await statfs(directory)
  return { stored: await bytesBelow(directory), size: bsize * blocks, available: bsize * bavail }
}

/** Of files, without links to them and without folders whose name begins with a dot: those are no artifacts. */
async function bytesBelow(directory: string): Promise<number> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []) // it may be removed meanwhile
  let bytes = 0
  for (const entry of entries) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) bytes += entry.name.startsWith('.') ? 0 : await bytesBelow(path)
    else if (entry.isFile()) bytes += await lstat(path).then(({ size }) => size, none)
  }
  return bytes
}

function none(): number {
  return 0
}
