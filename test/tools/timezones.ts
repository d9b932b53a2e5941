/**
 * Packs a time zone database for src/lib/gotemplate: `npx node test/tools/timezones.ts DIR`, where DIR holds compiled zones
 * (TZif files) by their names, as /usr/share/zoneinfo does or Go's lib/time/zoneinfo.zip unpacked.
 */

import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'

const output = join(import.meta.dirname, '../../src/lib/gotemplate/gotime-zones.generated.ts')

/** Each distinct file once: a line of its names, its length as four bytes, its bytes. */
function pack(root: string): Buffer {
  const names = new Map<string, { data: Buffer; names: string[] }>()
  for (const path of readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()) {
    const file = join(root, path)
    if (!statSync(file).isFile()) continue
    const data = readFileSync(file)
    if (data.toString('latin1', 0, 4) !== 'TZif') continue
    const key = data.toString('latin1')
    const known = names.get(key) ?? { data, names: [] }
    known.names.push(relative(root, file))
    names.set(key, known)
  }
  const parts: Buffer[] = []
  for (const { data, names: aliases } of names.values()) {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(data.length)
    parts.push(Buffer.from(`${aliases.join(' ')}\n`), length, data)
  }
  return Buffer.concat(parts)
}

const [root = '/usr/share/zoneinfo'] = process.argv.slice(2)
const packed = brotliCompressSync(pack(root), { params: { [constants.BROTLI_PARAM_LGWIN]: 22 } })
const lines = packed.toString('base64').match(/.{1,120}/g) ?? []
writeFileSync(
  output,
  `// Made by test/tools/timezones.ts from the IANA time zone database (public domain). Do not edit.

/** Compiled time zones, packed with brotli: see gotime-tzif.ts. */
export const packedZones =
${lines.map((line) => `  '${line}'`).join(' +\n')}
`,
)
