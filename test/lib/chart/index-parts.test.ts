import { describe, expect, it } from 'vitest'
import {
  chartsIn,
  type IndexParts,
  indexParts,
  indexToJson,
  parseIndex,
  versionsIn,
  wholeIndex,
} from '../../../src/lib/chart/index.ts'

const shop = '  - name: shop\n    version: 1.0.0\n    urls:\n    - a.tgz\n'

function partsOf(text: string): IndexParts {
  return indexParts(Buffer.from(text))
}

function storedText({ charts, head }: IndexParts): string {
  return [...indexToJson(charts, head)].join('')
}

/** What the whole index says, as it is stored. */
function expected(text: string): string {
  return storedText(wholeIndex(text))
}

/** Text of a chart with many versions, more than one portion of them. */
function manyVersions(name: string, count: number, more = ''): string {
  const version = (number: number) => `  - name: ${name}\n    version: 1.${number}.0\n    description: ${'x'.repeat(1000)}\n${more}`
  return `  ${name}:\n${Array.from({ length: count }, (_, number) => version(number)).join('')}`
}

describe('an index in parts', () => {
  it.each([
    ['as helm writes it', `apiVersion: v1\nentries:\n  shop:\n${shop}generated: "2026-01-02T03:04:05.5Z"\n`],
    ['with lists that are indented', 'apiVersion: v1\nentries:\n    shop:\n        - name: shop\n          version: 1.0.0\n'],
    ['with the charts first', `entries:\n  shop:\n${shop}apiVersion: v1\n`],
    [
      'with comments and empty lines',
      `# made by hand\n\napiVersion: v1\nentries:\n\n  # one\n  shop:\n\n${shop}# two\n  bank:\n${shop}`,
    ],
    ['with a mark at its beginning', `---\napiVersion: v1\nentries:\n  shop:\n${shop}`],
    ['with Windows line ends', `apiVersion: v1\nentries:\n  shop:\n${shop}`.replaceAll('\n', '\r\n')],
    ['with names in quotes', `apiVersion: v1\nentries:\n  "shop":\n${shop}  'bank':\n${shop}`],
    ['of another version', `apiVersion: v2\nentries:\n  shop:\n${shop}`],
    ['without a line end', `apiVersion: v1\nentries:\n  shop:\n${shop}`.trimEnd()],
    [
      'with several lines of text',
      `apiVersion: v1\nentries:\n  shop:\n${shop}    description: |\n      bank:\n      - name: bank\n`,
    ],
    ['with an empty chart', `apiVersion: v1\nentries:\n  bank:\n  shop:\n${shop}`],
    [
      'with as many versions as fill several portions',
      `apiVersion: v1\nentries:\n${manyVersions('shop', 700)}${manyVersions('bank', 3)}`,
    ],
    ['in JSON', JSON.stringify({ apiVersion: 'v1', entries: { shop: [{ name: 'shop', version: '1.0.0' }], bank: null } })],
    ['in JSON without charts', '{"apiVersion":"v1"}'],
    [
      'with more in its head',
      `apiVersion: v1\nserverInfo:\n  contextPath: /a&b\nannotations:\n  z: "1"\n  a: "<2>"\npublicKeys:\n- key\nentries:\n  shop:\n${shop}`,
    ],
  ])('says the same as in one go: %s', (_, text) => {
    expect(storedText(partsOf(text))).toBe(expected(text))
  })

  it.each([
    ['flow style', 'apiVersion: v1\nentries: {shop: [{name: shop, version: 1.0.0}]}\n'],
    ['a chart that refers to another', `apiVersion: v1\nentries:\n  shop: &shop\n${shop}  bank: *shop\n`],
    ['a name with escapes', `apiVersion: v1\nentries:\n  "sh\\u006fp":\n${shop}`],
    ['a name that YAML takes for a number', `apiVersion: v1\nentries:\n  1.0:\n${shop}`],
    ['a chart that is there twice', `apiVersion: v1\nentries:\n  shop:\n${shop}  shop:\n${shop}`],
    [
      'text that goes on at the place of a chart',
      `apiVersion: v1\nentries:\n  shop:\n  - name: "shop\n  bank:\n  x"\n    version: 1.0.0\n`,
    ],
    [
      'text that goes on at the place of a version',
      `apiVersion: v1\nentries:\n${manyVersions('shop', 700, '    home: "a\n  - b"\n')}`,
    ],
    ['charts without a list', 'apiVersion: v1\nentries:\n  shop:\n    name: shop\n'],
    ['entries twice', `apiVersion: v1\nentries:\n  shop:\n${shop}entries:\n  shop:\n${shop}`],
    ['entries that are a list', 'apiVersion: v1\nentries:\n  - shop\n'],
    ['no charts', 'apiVersion: v1\n'],
    ['a page', '<html>\n'],
    ['broken JSON', '{"apiVersion":'],
  ])('is not read when it has another form: %s', (_, text) => {
    expect(() => storedText(partsOf(text))).toThrow(expect.objectContaining({ name: 'BuildError' }))
  })

  it('gives the charts in the order of their names, read one by one', () => {
    const broken = `apiVersion: v1\nentries:\n  shop:\n  - name: [\n  bank:\n${shop}`
    const charts = chartsIn(Buffer.from(broken))[Symbol.iterator]()
    expect(charts.next().value?.[0]).toBe('bank')
    expect(() => charts.next()).toThrow('did not find expected')
  })
})

describe('a stored index', () => {
  /** Bytes of Go json.MarshalIndent for helm's repo.IndexFile. */
  it('has the bytes that Flux stores', () => {
    const text = [
      'apiVersion: v1',
      'entries:',
      '  shop:',
      '  - annotations: {z: "1", a: "<2> & 3"}',
      '    created: 2026-01-02T03:04:05.120+00:00',
      '    name: shop',
      '    version: 1.0.0',
      '    dependencies:',
      '    - {name: common, repository: "", version: 1.x}',
      '    - {name: common, repository: "", version: 2.x}',
      '  none: []',
      'generated: "2026-01-02T03:04:05+01:00"',
      '',
    ].join('\n')
    expect(expected(text)).toBe(`{
  "apiVersion": "v1",
  "generated": "2026-01-02T03:04:05+01:00",
  "entries": {
    "none": [],
    "shop": [
      {
        "name": "shop",
        "version": "1.0.0",
        "apiVersion": "v1",
        "annotations": {
          "a": "\\u003c2\\u003e \\u0026 3",
          "z": "1"
        },
        "dependencies": [
          {
            "name": "common",
            "version": "1.x",
            "repository": ""
          },
          {
            "name": "common",
            "version": "2.x",
            "repository": ""
          }
        ],
        "urls": null,
        "created": "2026-01-02T03:04:05.12Z"
      }
    ]
  }
}`)
    expect(expected('apiVersion: v2\n')).toBe(
      '{\n  "apiVersion": "v2",\n  "generated": "0001-01-01T00:00:00Z",\n  "entries": {}\n}',
    )
  })

  it('gives the versions of one chart without the others, however the text is cut', async () => {
    const names = ['a', 'bank', 'sh<op>', 'shop', 'shop-2']
    const text = `apiVersion: v1\nentries:\n${names.map((name) => `  "${name}":\n${shop.replace('shop', `"${name}"`)}`).join('')}  none: []\n`
    const stored = Buffer.from(expected(text))
    const cut = (bytes: number) =>
      Array.from({ length: Math.ceil(stored.length / bytes) }, (_, i) => stored.subarray(i * bytes, (i + 1) * bytes))
    for (const bytes of [1, 7, 64, 1_000, stored.length]) {
      for (const name of names) expect(await versionsIn(cut(bytes), name)).toMatchObject(parseIndex(text).get(name) ?? [])
      expect(await versionsIn(cut(bytes), 'none')).toEqual([])
      for (const name of ['sho', 'name', 'entries', '"', 'constructor']) expect(await versionsIn(cut(bytes), name)).toBeUndefined()
    }
    await expect(versionsIn([Buffer.from('{}')], 'shop')).rejects.toThrow('the stored index has no entries')
  })
})
