import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isIgnored, parseIgnore } from '../../../src/lib/ignore/index.ts'

interface Random {
  readonly files: readonly string[]
  readonly cases: readonly { readonly ignore: readonly (readonly [string, string])[]; readonly ignored: readonly string[] }[]
}

/** Made by fluxcd/pkg/sourceignore itself: test/tools/flux-libs. */
const random: Random = JSON.parse(readFileSync(join(import.meta.dirname, 'testdata/random.json'), 'utf8'))

function left(files: readonly string[], ...ignore: readonly (readonly [directory: string, text: string])[]): string[] {
  const patterns = ignore.flatMap(([directory, text]) => parseIgnore(text, directory))
  return files.filter((file) => !isIgnored(file, patterns))
}

describe('F-SRC-15 ignore files', () => {
  it.each<[string, string, string[], string[]]>([
    ['a name anywhere', 'a.txt', ['a.txt', 'd/a.txt', 'a.txt.bak'], ['a.txt.bak']],
    ['a directory and all it holds', 'd/', ['d/a', 'd/e/b', 'x/d/c', 'd2/a'], ['d2/a']],
    ['a directory only, not a file of that name', 'd/', ['d', 'x/d'], ['d', 'x/d']],
    ['a path from the top', '/a', ['a', 'd/a'], ['d/a']],
    ['a path with a slash in the middle from the top', 'd/a', ['d/a', 'x/d/a'], ['x/d/a']],
    ['any directories', '**/a', ['a', 'd/a', 'd/e/a'], []],
    ['all that a directory holds', 'd/**', ['d/a', 'd/e/b', 'x/d/c'], ['x/d/c']],
    ['directories in between', 'd/**/a', ['d/a', 'd/e/a', 'd/e/f/a', 'a'], ['a']],
    ['a star within a name only', 'd/*.md', ['d/a.md', 'd/e/b.md'], ['d/e/b.md']],
    ['sets and single characters', 'a[0-9]?', ['a12', 'a1', 'ab2'], ['a1', 'ab2']],
    ['negation of one file', '*.yaml\n!keep.yaml', ['a.yaml', 'keep.yaml', 'd/keep.yaml'], ['keep.yaml', 'd/keep.yaml']],
    ['negation within an excluded directory', 'd/\n!d/keep', ['d/a', 'd/keep'], ['d/keep']],
    ['all but one directory', '/*\n!/deploy', ['a', 'x/b', 'deploy/c', 'deploy/d/e'], ['deploy/c', 'deploy/d/e']],
    ['the last pattern that matches', '!a\na', ['a'], []],
    ['comments and empty lines', '# a\n\n  \nb', ['# a', 'a', 'b'], ['# a', 'a']],
    ['an escaped # and !', '\\#a\n\\!b', ['#a', '!b', 'a', 'b'], ['a', 'b']],
    ['trailing spaces dropped, escaped ones kept', 'a   \nb\\ ', ['a', 'b', 'b '], ['b']],
    ['lines that end as in Windows', 'a\r\nb\r', ['a', 'b', 'c'], ['c']],
    ['a malformed pattern as nothing', '[a\n*[\na\\', ['a', '[a', 'x['], ['a', '[a', 'x[']],
    ['letters of any script', 'é*\n日?', ['éa', '日本', '日', 'e'], ['日', 'e']],
  ])('leave out %s', (_, text, files, expected) => {
    expect(left(files, ['', text])).toEqual(expected)
  })

  it('apply below the directory that they lie in', () => {
    expect(left(['a', 'd/a', 'd/e/a', 'd2/a'], ['d', 'a'])).toEqual(['a', 'd2/a'])
    expect(left(['x/a', 'd/x/a'], ['d', '/x'])).toEqual(['x/a'])
  })

  it('overrule the ones before them', () => {
    expect(left(['d/a', 'a'], ['', 'a'], ['d', '!a'])).toEqual(['d/a'])
  })

  it('read whatever is written in them as the Go library does', () => {
    for (const { ignore, ignored } of random.cases) {
      const expected = random.files.filter((file) => !ignored.includes(file))
      expect(left(random.files, ...ignore), JSON.stringify(ignore)).toEqual(expected)
    }
  })

  it('take no long time for hostile patterns', () => {
    const patterns = parseIgnore(`${'*a'.repeat(500)}b\n${'**/'.repeat(500)}b\n${'[a-z]*'.repeat(300)}`)
    const started = performance.now()
    expect(isIgnored(`${'a'.repeat(250)}/`.repeat(15), patterns)).toBe(false)
    expect(performance.now() - started).toBeLessThan(2_000)
  })
})
