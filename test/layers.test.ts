/** Imports point down the layers only, and never in a circle. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'

const src = join(import.meta.dirname, '../src')

interface Import {
  readonly from: string
  readonly to: string
  /** Erased before the program runs: it may not point up either, but it cannot make a circle. */
  readonly typeOnly: boolean
}

/** Lowest first. Parts of one layer do not import each other, except in the layers named in `open`. */
const layers: readonly (readonly string[])[] = [
  ['lib'],
  ['api'],
  ['kube'],
  ['runtime'],
  ['source', 'kustomize', 'helm', 'notification', 'image', 'instance'],
  ['main.ts', 'worker.ts', 'cli', 'web'],
]
const open = layers.length - 1

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
const imports = files.flatMap(importsOf)

describe('imports under src', () => {
  it('belong to a part that has a layer', () => {
    expect(files.filter((file) => layerOf(file) < 0)).toEqual([])
  })

  it('point at files that are there', () => {
    expect(imports.filter(({ to }) => !files.includes(to))).toEqual([])
  })

  it('point down, and never from one loop to another', () => {
    expect(imports.filter((one) => !isAllowed(one)).map(({ from, to }) => `${from} imports ${to}`)).toEqual([])
  })

  it('make no circle', () => {
    expect(circles(imports.filter(({ typeOnly }) => !typeOnly))).toEqual([])
  })
})

describe('the check itself', () => {
  it('sees an import that points up, one between loops, and a circle', () => {
    const one = (from: string, to: string) => ({ from, to, typeOnly: false })
    expect(isAllowed(one('lib/yaml/load.ts', 'kube/client.ts'))).toBe(false)
    expect(isAllowed(one('source/fetch.ts', 'kustomize/build.ts'))).toBe(false)
    expect(isAllowed(one('kustomize/build.ts', 'lib/yaml/load.ts'))).toBe(true)
    expect(circles([one('a', 'b'), one('b', 'c'), one('c', 'a'), one('c', 'd')])).toEqual(['a → b → c → a'])
  })
})

function isAllowed({ from, to }: Import): boolean {
  const [upper, lower] = [layerOf(from), layerOf(to)]
  if (upper !== lower) return upper > lower
  return upper === open || partOf(from) === partOf(to)
}

function layerOf(file: string): number {
  return layers.findIndex((parts) => parts.includes(partOf(file)))
}

function partOf(file: string): string {
  return file.split('/')[0] ?? file
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(src, file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
  const statement = /^(?:import|export)\s+(type\s)?(?:([^'"`;=]*?)\sfrom\s+)?'(\.\.?\/[^']+\.ts)'|import\('(\.[^']+)'\)/gm
  return [...text.matchAll(statement)].map(([, type, names, path, dynamic]) => ({
    from: file,
    to: relative(src, join(src, dirname(file), path ?? dynamic ?? '')),
    typeOnly: type !== undefined || isTypesOnly(names),
  }))
}

/** `{ type A, type B }` is erased as a whole (verbatimModuleSyntax keeps the bare import, which runs nothing of its own here). */
function isTypesOnly(names = ''): boolean {
  const inBraces = /^\s*\{([\s\S]*)\}\s*$/.exec(names)?.[1]
  if (inBraces === undefined) return false
  const parts = inBraces.split(',').map((name) => name.trim())
  return parts.filter(Boolean).every((name) => name.startsWith('type '))
}

/** Each circle once, from the file that comes first in it. */
function circles(edges: readonly Import[]): string[] {
  const targets = Map.groupBy(edges, ({ from }) => from)
  const done = new Set<string>()
  const found: string[] = []
  const visit = (file: string, path: readonly string[]): void => {
    const start = path.indexOf(file)
    if (start >= 0) found.push([...path.slice(start), file].join(' → '))
    if (start >= 0 || done.has(file)) return
    for (const { to } of targets.get(file) ?? []) visit(to, [...path, file])
    done.add(file)
  }
  for (const file of targets.keys()) visit(file, [])
  return found
}
