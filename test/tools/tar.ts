/** Packages of any content, also of what no honest program packs. */
import { gzipSync } from 'node:zlib'

export interface Entry {
  readonly path: string
  readonly text?: string
  /** Where a symbolic link leads. */
  readonly link?: string
}

/** A gzipped tar (ustar). */
export function archiveOf(entries: readonly Entry[]): Buffer {
  const end = Buffer.alloc(1024)
  return gzipSync(Buffer.concat([...entries.flatMap(blocksOf), end]))
}

function blocksOf({ path, text = '', link }: Entry): Buffer[] {
  const content = Buffer.from(link === undefined ? text : '')
  const padding = Buffer.alloc((512 - (content.length % 512)) % 512)
  return [headerOf({ path, size: content.length, link }), content, padding]
}

function headerOf({ path, size, link }: { path: string; size: number; link: string | undefined }): Buffer {
  const header = Buffer.alloc(512)
  header.write(path, 0)
  header.write('0000644\0', 100)
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
  header.write(link === undefined ? '0' : '2', 156)
  if (link !== undefined) header.write(link, 157)
  header.write('ustar\x0000', 257)
  header.fill(' ', 148, 156)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}
