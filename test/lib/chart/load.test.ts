import { gzipSync } from 'node:zlib'
import { Header } from 'tar'
import { describe, expect, it } from 'vitest'
import { loadChart } from '../../../src/lib/chart/load.ts'
import { readValues } from '../../../src/lib/chart/values-file.ts'
import { messageOf } from '../../../src/lib/errors.ts'
import { textOf } from '../../../src/lib/gotemplate/value.ts'
import { memoryTree } from '../../../src/lib/tree.ts'
import { plain } from './values.ts'

describe('Chart.yaml, as Helm reads and checks it', () => {
  const cases: readonly [string, object | string][] = [
    ['name: app\nversion: 1.2.3\n', { name: 'app', version: '1.2.3', apiVersion: 'v1' }],
    [
      'apiVersion: v2\nname: app\nversion: 1.2.3\nappVersion: 1.20\ndescription: "a\\tb\\u0007c"\n',
      { name: 'app', version: '1.2.3', description: 'a bc', apiVersion: 'v2', appVersion: '1.2' },
    ],
    [
      'apiVersion: v2\nname: app\nversion: 1\nappVersion: 12345e7\ndeprecated: true\nannotations: {n: 5, b: true}\n',
      {
        name: 'app',
        version: '1',
        apiVersion: 'v2',
        appVersion: '1.2345e+11',
        deprecated: true,
        annotations: { b: 'true', false: '5' },
      },
    ],
    ['apiVersion: v2\nName: app\nversion: 1.2.3\nunknown: 1\n', { name: 'app', version: '1.2.3', apiVersion: 'v2' }],
    ['version: 1.2.3\n', 'validation: chart.metadata.name is required'],
    ['name: ..\nversion: 1.2.3\n', 'validation: chart.metadata.name ".." is not allowed'],
    ['name: a/b\nversion: 1.2.3\n', 'validation: chart.metadata.name "a/b" is invalid'],
    ['name: app\n', 'validation: chart.metadata.version is required'],
    ['name: app\nversion: one\n', 'validation: chart.metadata.version "one" is invalid'],
    ['name: app\nversion: 1.2.3\ntype: other\n', 'validation: chart.metadata.type must be application or library'],
    ['name: app\nversion: 1.2.3\nmaintainers: [null]\n', 'validation: maintainers must not contain empty or null nodes'],
    ['name: app\nversion: 1.2.3\ndependencies: [null]\n', 'validation: dependencies must not contain empty or null nodes'],
    [
      'name: app\nversion: 1.2.3\ndependencies: [{name: a, alias: "x y"}]\n',
      'validation: dependency "a" has disallowed characters in the alias',
    ],
    [
      'name: app\nversion: 1.2.3\ndependencies: [{name: a}, {name: b, alias: a}]\n',
      'validation: more than one dependency with name or alias "a"',
    ],
    [
      'name: app\nversion: 1.2.3\nkeywords: one\n',
      'cannot load Chart.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go struct field Metadata.keywords of type []string',
    ],
    [
      'name: app\nversion: 1.2.3\nmaintainers: [5]\n',
      'cannot load Chart.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal number into Go struct field Metadata.maintainers of type v2.Maintainer',
    ],
    [
      'name: app\nversion: 1.2.3\ndependencies: [{name: a, tags: {}}]\n',
      'cannot load Chart.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal object into Go struct field Dependency.dependencies.tags of type []string',
    ],
    [
      'name: [a]\nversion: 1.2.3\n',
      'cannot load Chart.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go struct field Metadata.name of type string',
    ],
    [
      'name: app\nversion: 1.2.3\ndeprecated: "yes"\n',
      'cannot load Chart.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go struct field Metadata.deprecated of type bool',
    ],
  ]
  it.each(cases)('%j', (text, expected) => {
    const read = () => JSON.parse(JSON.stringify(loadChart(memoryTree([['Chart.yaml', text]])).metadata, withMaps))
    expect(outcome(read)).toEqual(expected)
  })
})

describe('values files, as Helm reads them', () => {
  const cases: readonly [string, object | string][] = [
    ['a: 1\nb: {c: 2}\n---\nb: {d: 3}\n', { a: 1, b: { c: 2, d: 3 } }],
    ['a: yes\n1: one\n1.50: x\n', { '1': 'one', '1.5': 'x', a: true }],
    ['big: 123456789012345678\n', { big: 123456789012345680 }],
    ['--- # c\na: 1\n', { a: 1 }],
    ['---a: 1\n', 'error reading yaml document: invalid Yaml document separator: a: 1'],
    [
      '- 1\n',
      'cannot unmarshal yaml document: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}',
    ],
    [
      'text\n',
      'cannot unmarshal yaml document: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go value of type map[string]interface {}',
    ],
    ['a: [\n', 'cannot unmarshal yaml document: error converting YAML to JSON: yaml: line 1: did not find expected node content'],
    ['a: .inf\n', 'cannot unmarshal yaml document: error converting YAML to JSON: json: unsupported value: +Inf'],
    ['a: 1\r\nb: 2\r\n', { a: 1, b: 2 }],
    ['null\n', {}],
    ['', {}],
  ]
  it.each(cases)('%j', (text, expected) => {
    expect(outcome(() => plain(readValues(text)))).toEqual(expected)
  })
})

const chartFile = 'apiVersion: v2\nname: app\nversion: 1.0.0\n'

describe('folders', () => {
  it('sorts files into templates, charts and the rest', () => {
    const chart = loadChart(
      memoryTree([
        ['.helmignore', 'docs/'],
        ['Chart.yaml', `\ufeff${chartFile}`],
        ['README.md', 'read'],
        ['charts/_README.md', 'no chart'],
        ['charts/_off/Chart.yaml', 'ignored'],
        ['charts/leaf/Chart.yaml', chartFile.replace('app', 'leaf')],
        ['charts/leaf/values.yaml', 'a: 1'],
        ['crds/a.yaml', 'crd'],
        ['docs/a.md', 'ignored'],
        ['templates/.hidden', 'ignored'],
        ['templates/a.yaml', 'template'],
        ['values.schema.json', '{}'],
        ['values.yaml', 'b: 2'],
      ]),
    )
    expect(chart.templates.map(({ name }) => name)).toEqual(['templates/a.yaml'])
    expect(chart.files.map(({ name }) => name)).toEqual(['.helmignore', 'README.md', 'crds/a.yaml'])
    expect(chart.dependencies.map(({ metadata, values }) => [metadata.name, plain(values)])).toEqual([['leaf', { a: 1 }]])
    expect(plain(chart.values)).toEqual({ b: 2 })
    expect(textOf(chart.schema ?? new Uint8Array())).toBe('{}')
  })

  it('reads the files of the first generation and warns of them in the second', () => {
    const warnings: string[] = []
    const requirements = 'dependencies: [{name: leaf, version: "1"}]'
    const old = loadChart(
      memoryTree([
        ['Chart.yaml', 'name: app\nversion: 1.0.0\n'],
        ['requirements.yaml', requirements],
      ]),
    )
    const recent = loadChart(
      memoryTree([
        ['Chart.yaml', chartFile],
        ['requirements.yaml', requirements],
      ]),
      {
        warn: (message) => warnings.push(message),
      },
    )
    expect(old.metadata.dependencies).toEqual([{ name: 'leaf', version: '1', repository: '' }])
    expect(old.files.map(({ name }) => name)).toEqual(['requirements.yaml'])
    expect(recent.files).toEqual([])
    expect(warnings).toEqual([expect.stringContaining('Dependencies are handled in Chart.yaml since apiVersion "v2"')])
  })

  const refused: readonly [string, Readonly<Record<string, string>>, string][] = [
    [
      'without a Chart.yaml',
      { 'values.yaml': '' },
      'unable to detect chart at Chart.yaml: open Chart.yaml: no such file or directory',
    ],
    ['of an unknown sort', { 'Chart.yaml': 'apiVersion: v9' }, 'unsupported chart version'],
    [
      'with a broken chart inside',
      { 'Chart.yaml': chartFile, 'charts/x/values.yaml': '' },
      'error unpacking subchart x in app: Chart.yaml file is missing',
    ],
    [
      'with a broken package inside',
      { 'Chart.yaml': chartFile, 'charts/x.tgz': 'not gzip at all' },
      'error unpacking subchart x.tgz in app: gzip: invalid header',
    ],
    [
      'with a file in charts/',
      { 'Chart.yaml': chartFile, 'charts/README.md': '' },
      'error unpacking subchart README.md in app: Chart.yaml file is missing',
    ],
    [
      'with a folder named as a package',
      { 'Chart.yaml': chartFile, 'charts/x.tgz/a': '' },
      'error unpacking subchart tar in app: expected x.tgz, got x.tgz/a',
    ],
  ]
  it.each(refused)('are refused %s', (_what, files, message) => {
    expect(outcome(() => loadChart(memoryTree(Object.entries(files))))).toBe(message)
  })

  it('are refused when they hold more than is allowed', () => {
    const tree = memoryTree([
      ['Chart.yaml', chartFile],
      ['big', 'x'.repeat(100)],
    ])
    expect(() => loadChart(tree, { maxBytes: 100 })).toThrow(
      'error reading big: chart exceeds maximum decompressed size of 100 bytes',
    )
  })
})

describe('packages', () => {
  it('hold one folder, and packages of their own', () => {
    const leaf = pack([['leaf/Chart.yaml', chartFile.replace('app', 'leaf')]])
    const chart = loadChart({
      archive: pack([
        ['app/Chart.yaml', chartFile],
        ['app/templates/a.yaml', 'x'],
        ['app/charts/leaf-1.0.0.tgz', leaf],
      ]),
    })
    expect(chart.templates.map(({ name, modTime }) => [name, modTime])).toEqual([['templates/a.yaml', 1_700_000_000_000]])
    expect(chart.dependencies.map(({ metadata }) => metadata.name)).toEqual(['leaf'])
  })

  const refused: readonly [string, string][] = [
    ['app//etc/passwd', 'chart illegally contains absolute paths'],
    ['app/../../x', 'chart illegally references parent directory'],
    ['app', 'chart illegally contains content outside the base directory: "app"'],
    ['app\\c:\\x', 'chart contains illegally named files'],
    ['Chart.yaml/x', 'chart yaml not in base directory'],
  ]
  it.each(refused)('are refused with %s', (name, message) => {
    const archive = pack([
      ['app/Chart.yaml', chartFile],
      [name, 'x'],
    ])
    expect(outcome(() => loadChart({ archive }))).toBe(`unable to load chart archive: ${message}`)
    expect(outcome(() => loadChart({ archive, file: 'app.tgz' }))).toBe('unable to load chart archive')
  })

  it('end in an error when they unpack to more than is allowed', () => {
    const bomb = pack([
      ['app/Chart.yaml', chartFile],
      ['app/zeros', new Uint8Array(3 * 1024 * 1024)],
    ])
    expect(bomb.length).toBeLessThan(20_000)
    expect(() => loadChart({ archive: bomb }, { maxBytes: 1024 * 1024 })).toThrow(
      'decompressed chart is larger than the maximum size 1048576',
    )
    expect(() => loadChart({ archive: bomb }, { maxFiles: 1 })).toThrow('more files than are allowed')
  })

  it('may be followed by anything, but not be cut off', () => {
    const archive = pack([['app/Chart.yaml', chartFile]])
    expect(loadChart({ archive: Buffer.concat([archive, Buffer.from('more')]) }).metadata.name).toBe('app')
    expect(() => loadChart({ archive: archive.subarray(0, -30) })).toThrow('unexpected EOF')
  })

  const others: readonly [string, string, string][] = [
    ['a.yaml', 'a: 1', "file 'a.yaml' seems to be a YAML file, but expected a gzipped archive"],
    ['a.tgz', 'a: 1', "file 'a.tgz' does not appear to be a gzipped archive; got 'application/octet-stream'"],
    ['a.tgz', '<html><body>', "file 'a.tgz' does not appear to be a gzipped archive; got 'text/html; charset=utf-8'"],
    ['a.tgz', 'a text, '.repeat(64), "file 'a.tgz' does not appear to be a gzipped archive; got 'text/plain; charset=utf-8'"],
  ]
  it.each(others)('are no %s', (file, content, message) => {
    expect(outcome(() => loadChart({ archive: Buffer.from(content), file }))).toBe(message)
  })
})

function pack(files: readonly (readonly [string, string | Uint8Array])[]): Buffer {
  const blocks = files.flatMap(([path, content]) => {
    const data = Buffer.from(content)
    const header = new Header({ path, type: 'File', mode: 0o644, size: data.length, mtime: new Date(1_700_000_000_000) })
    header.encode()
    return [header.block ?? Buffer.alloc(0), data, Buffer.alloc(-data.length & 511)]
  })
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]))
}

function outcome(action: () => unknown): unknown {
  try {
    return action()
  } catch (error) {
    return messageOf(error)
  }
}

function withMaps(_key: string, value: unknown): unknown {
  return value instanceof Map ? Object.fromEntries(value) : value
}
