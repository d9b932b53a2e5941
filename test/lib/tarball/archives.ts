/** Archives made by hand, also such as no honest tool makes. */
import { gzipSync } from 'node:zlib'
import { Header, type HeaderData } from 'tar'

export type RawEntry = HeaderData & { readonly body?: string | Uint8Array }

/** A gzip-compressed tar of these entries, byte for byte as told. */
export function rawArchive(...entries: readonly RawEntry[]): Buffer {
  return gzipSync(rawTar(...entries))
}

export function rawTar(...entries: readonly RawEntry[]): Buffer {
  return Buffer.concat([...entries.flatMap(rawEntry), Buffer.alloc(1024)])
}

function rawEntry({ body = '', ...about }: RawEntry): Buffer[] {
  const content = Buffer.from(body)
  const header = new Header({ type: 'File', mode: 0o644, size: content.length, ...about })
  header.encode()
  return [header.block ?? Buffer.alloc(512), content, Buffer.alloc(-content.length & 511)]
}

/** The record of a pax header: its length counts itself. */
export function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  let length = Buffer.byteLength(rest)
  while (String(length).length + Buffer.byteLength(rest) !== length) length = String(length).length + Buffer.byteLength(rest)
  return `${length}${rest}`
}
