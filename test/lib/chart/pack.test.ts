/** Packages of charts beside those that the real helm makes of the same folders. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Header } from 'tar'
import { describe, expect, it } from 'vitest'
import { loadChart, packChart, withValues } from '../../../src/lib/chart/index.ts'
import { tarEntries } from '../../../src/lib/chart/tar.ts'
import { memoryTree } from '../../../src/lib/tree.ts'
import { run, temporaryDirectory } from '../../tools/processes.ts'
import { findTool } from '../../tools/tools.ts'

type Files = Readonly<Record<string, string | Uint8Array>>

const head = (name: string, more = '') => `apiVersion: v2\nname: ${name}\nversion: 1.2.3\n${more}`

const charts: readonly (readonly [string, Files])[] = [
  ['no more than a name', { 'Chart.yaml': head('shop') }],
  [
    'files of every kind',
    {
      'Chart.yaml': head('shop', 'description: "R&D: <shop>"\nkeywords: [b, a]\nicon: https://example.com/i.png\n'),
      'values.yaml': '# kept as it is\na:   1\n',
      'values.schema.json': '{"type":  "object"}',
      'README.md': 'read me\n',
      'templates/web.yaml': 'kind: X\n',
      'templates/NOTES.txt': 'hello\n',
      'crds/x.yaml': 'kind: CustomResourceDefinition\n',
      'files/a/b.bin': new Uint8Array([0, 1, 2, 255]),
      '.helmignore': '*.tmp\n',
      'left.tmp': 'out',
    },
  ],
  [
    'metadata of every kind',
    {
      'Chart.yaml': head(
        'shop',
        'appVersion: 1.10\nkubeVersion: ">=1.20.0-0"\ntype: application\ndeprecated: true\nhome: https://example.com\nsources: [https://example.com/x]\nmaintainers:\n- {name: ann, email: ann@example.com}\nannotations: {b: "1", a: "yes"}\n',
      ).replace('1.10', '"1.10"'),
    },
  ],
  [
    'a dependency in a folder and a lock',
    {
      'Chart.yaml': head(
        'shop',
        'dependencies:\n- {name: common, version: 1.x, repository: "file://../common", alias: base, tags: [t], condition: c.d, import-values: [data, {child: a, parent: b}]}\n',
      ),
      'Chart.lock':
        'dependencies:\n- {name: common, repository: "file://../common", version: 1.2.3}\ndigest: sha256:0\ngenerated: "2026-01-02T03:04:05.120Z"\n',
      'charts/common/Chart.yaml': head('common'),
      'charts/common/templates/_helpers.tpl': '{{- define "x" }}{{ end }}\n',
    },
  ],
  [
    'the form of Helm 2',
    {
      'Chart.yaml': 'apiVersion: v1\nname: shop\nversion: 1.2.3\n',
      'requirements.yaml': 'dependencies:\n- {name: common, version: 1.x, repository: "https://example.com/"}\n',
      'charts/common/Chart.yaml': 'apiVersion: v1\nname: common\nversion: 1.2.3\n',
    },
  ],
  [
    'long names and names beyond ASCII',
    { 'Chart.yaml': head('shop'), [`files/${'d'.repeat(90)}/${'e'.repeat(90)}.txt`]: 'long\n', 'files/größe.txt': 'x\n' },
  ],
]

describe('packChart', () => {
  it.each(charts)('SRC-CHT-03 packs what helm packs: %s', async (_, files) => {
    const ours = packChart(loadChart(memoryTree(Object.entries(files))))
    expect(entriesOf(ours)).toEqual(entriesOf(await packedByHelm(files)))
  })

  it('SRC-CHT-03 gives the same bytes whatever the order and the times of the files', () => {
    const files: Files = charts[1]?.[1] ?? {}
    const reversed = Object.entries(files).reverse()
    expect(packChart(loadChart(memoryTree(reversed)))).toEqual(packChart(loadChart(memoryTree(Object.entries(files)))))
  })

  it('SRC-CHT-04 packs a package that is inside as a folder, as helm does', async () => {
    const inner = packChart(loadChart(memoryTree([['Chart.yaml', head('common')]])))
    const files: Files = { 'Chart.yaml': head('shop'), 'charts/common-1.2.3.tgz': inner }
    const ours = packChart(loadChart(memoryTree(Object.entries(files))))
    expect(entriesOf(ours)).toEqual(entriesOf(await packedByHelm(files)))
  })

  it.each(['.', '..', 'a/b'])('F-HRP-06 refuses a chart inside that is called %s', (name) => {
    const common = loadChart(memoryTree([['Chart.yaml', head('common')]]))
    const shop = loadChart(memoryTree([['Chart.yaml', head('shop')]]))
    const inside = { ...common, metadata: { ...common.metadata, name } }
    expect(() => packChart({ ...shop, dependencies: [inside] })).toThrow(`chart.metadata.name "${name}" is invalid`)
  })

  it('refuses a schema that is no JSON', () => {
    const files = { 'Chart.yaml': head('shop'), 'values.schema.json': '{' }
    expect(() => packChart(loadChart(memoryTree(Object.entries(files))))).toThrow('invalid JSON in values.schema.json')
  })
})

describe('withValues', () => {
  const chart = loadChart(
    memoryTree([
      ['Chart.yaml', head('shop')],
      ['values.yaml', 'a: 1\n'],
    ]),
  )

  it('SRC-CHT-05 changes nothing where the values are the same', () => {
    expect(withValues(chart, new Map([['a', 1]]))).toBeUndefined()
  })

  it('SRC-CHT-05 replaces the file, and empties it for no values', () => {
    expect(valuesOf(withValues(chart, new Map([['b', 'x']])))).toBe('b: x\n')
    expect(valuesOf(withValues(chart, new Map()))).toBe('')
  })

  it('refuses a chart without values', () => {
    const bare = loadChart(memoryTree([['Chart.yaml', head('shop')]]))
    expect(() => withValues(bare, new Map())).toThrow('failed to locate values file: values.yaml')
  })

  function valuesOf(changed: ReturnType<typeof withValues>): string | undefined {
    const file = changed && loadChart({ archive: packChart(changed) }).raw.find(({ name }) => name === 'values.yaml')
    return file && Buffer.from(file.data).toString('utf8')
  }
})

async function packedByHelm(files: Files): Promise<Buffer> {
  const folder = join(await temporaryDirectory('pack'), 'shop')
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), content)
  }
  await run(await findTool('helm', () => {}), ['package', folder, '--destination', dirname(folder)])
  return readFile(join(dirname(folder), 'shop-1.2.3.tgz'))
}

/** Names, modes and contents, in their order. */
function entriesOf(archive: Uint8Array): readonly string[] {
  const tar = gunzipSync(archive)
  return [...tarEntries(tar, { isCut: false })].map(({ name, data }) => {
    const at = data.byteOffset - tar.byteOffset
    const { mode } = new Header(tar, at - 512)
    return `${name} ${mode?.toString(8)} ${Buffer.from(data).toString('latin1')}`
  })
}
