/** Writes the tables of test/lib/semver and test/lib/ignore: cases put through the Go libraries of main.go. `npx node <this file>`. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Numbers that look random and are the same every time. */
function* numbers(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state = (state * 1103515245 + 12345) & 0x7fffffff
    yield state >> 8
  }
}

const source = numbers(20260101)
const below = (limit: number) => (source.next().value ?? 0) % limit
const pick = <T>(choices: readonly T[]): T => choices[below(choices.length)] as T
const several = <T>(most: number, make: () => T): T[] => Array.from({ length: 1 + below(most) }, make)

function ask(requests: readonly object[]): Record<string, unknown>[] {
  const input = requests.map((request) => JSON.stringify(request)).join('\n')
  const output = execFileSync('go', ['run', '.'], { cwd: import.meta.dirname, input, maxBuffer: 2 ** 28 })
  return output
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

function write(name: string, table: { readonly cases: readonly unknown[]; readonly [field: string]: unknown }): void {
  const lines = table.cases.map((one) => JSON.stringify(one)).join(',\n')
  const text = `${JSON.stringify({ ...table, cases: [] }).slice(0, -3)}[\n${lines}\n]}\n`
  writeFileSync(join(import.meta.dirname, '../../lib', name), text)
}

const versions =
  '0.0.0 0.0.3 0.0.4 0.1.0 0.2.3 0.2.9 0.3.0 1.0.0 v1.0.0 1.0.1 1.2.0 1.2.3 1.2.4 1.3.0 2.0.0 2.1.0 11.0.0 11.1.5 11.2.0 12.0.0 1.2.3-alpha 1.2.3-alpha.1 1.2.3-alpha.10 1.2.3-beta 1.2.3-rc.1 2.0.0-rc.1 1.2.4-0 1.2.3+b1 v1 1 1.0 v1.2 01.2.3 1.2.3-01 18446744073709551615.0.0 18446744073709551616.0.0 1.2.3-99999999999999999999 1.2.3-9 x.1.2 1.2.3.4 v2025.02.03-rc.1 release-1.2.3 1.2.3-A 0.0.0-rc1 3.0.0'.split(
    ' ',
  )
const writtenRanges =
  '|*|x|1|v1|1.x|1.2.x|1.*|=1.2.3|!=1.x|!=1.2.x|!=1.2.3|!=*|>1|>1.2|>1.2.3|>*|<1|<1.2|<*|<=1|<=11|<=11.1|<=*|>=1|=>1|=<2|~1|~1.2|~1.2.3|~*|~0.0.0|~>1.2|^1|^1.2|^1.2.3|^0|^0.0|^0.2|^0.2.3|^0.0.3|^*|>=1.0.0 <2|>=1.0.0, <2.0.0|>= 1.0.0 , < 2.0.0|1.0 - 2.0|1.0.0 - 2.0.0|1.2 -2|>=1.2.3-0|>=1.2.3-alpha <1.2.3|~1.2.3-alpha|^1.2.3-beta|>=1.0.0-0 <2.0.0-0|1.2.3-alpha.1|,1|1,|1,,2|1 2|latest|v|>= latest|1.2.3.4|>=v1.2.3|1.0.0-01|==1|><1|1.xx|1.2.3+b1|>=1.2.3+b1'.split(
    '|',
  )
const orRanges = ['1 || 2', '~1.2 || ^11', '>=1.0.0 <1.2.0||>=11', '||', '1 ||', '1 - 2 || 11', '<1 || >=2.0.0-0', '1|2']

function randomRange(): string {
  const number = () => pick(['0', '1', '2', '11', 'x', '*', '3'])
  const tail = () => pick(['', '', '', '-alpha', '-rc.1', '-0', '+b1'])
  const version = () => pick(['', 'v']) + several(3, number).join('.') + tail()
  const term = () => pick(['', '=', '!=', '>', '<', '>=', '<=', '~', '~>', '^']) + pick(['', ' ']) + version()
  const group = () => (below(6) === 0 ? `${version()} - ${version()}` : several(3, term).join(pick([' ', ', ', ','])))
  return several(2, group).join(' || ')
}

const ranges = [...writtenRanges, ...orRanges, ...Array.from({ length: 250 }, randomRange)]
const rangeAnswers = ask(ranges.map((constraint) => ({ constraint, versions })))
write('semver/testdata/ranges.json', { versions, cases: ranges.map((range, i) => ({ range, ...rangeAnswers[i] })) })

const names = 'a b ab abc foo bar x.yaml x.yml README.md #c !d é 日本 [x] a-b * \\q foo.tar.gz -l'.split(' ').concat('a b', 'b ')
const files = [...new Set(Array.from({ length: 120 }, () => several(4, () => pick(names)).join('/')))].sort()
const atoms = [
  ...names,
  '*',
  '?',
  '**',
  '*.yaml',
  'a*',
  '*b',
  'a?c',
  '[a-c]',
  '[^a]',
  '[!a]',
  '[a-',
  '[]',
  '[a]b*',
  '\\#c',
  '\\!d',
  '\\*',
]
const oddAtoms = ['\\[x\\]', 'a\\ b', 'b\\ ', '*a*b*', '[é-日]', '**a', 'a**', '[\\]]', '[a\\-z]', '[-a]', '\\', '?[*]', '']

function randomLine(): string {
  const atom = () => pick([...atoms, ...oddAtoms])
  const head = pick(['', '', '', '!', '#', ' ']) + pick(['', '', '/', '**/'])
  return head + several(3, atom).join('/') + pick(['', '', '/', '/**', ' ', '\\ ', '\t', '//', '/*'])
}

function randomIgnore(): [string, string][] {
  const text = () => several(5, randomLine).join(pick(['\n', '\n', '\r\n'])) + pick(['', '\n', '\r'])
  return several(3, text).map((content, i) => [i === 0 ? '' : pick(['a', 'foo', 'a/b']), content])
}

const ignores = Array.from({ length: 400 }, randomIgnore)
const kept = ask(ignores.map((ignore) => ({ files, ignore })))
const cases = ignores.map((ignore, i) => {
  const keptFiles = new Set((kept[i]?.kept ?? []) as string[])
  return { ignore, ignored: files.filter((file) => !keptFiles.has(file)) }
})
write('ignore/testdata/random.json', { files, cases })
