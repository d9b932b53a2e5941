import { describe, expect, it } from 'vitest'
import { build, ParseCache } from '../../../src/lib/kustomize/index.ts'
import { memoryTree } from '../../../src/lib/tree.ts'
import { parseNodes } from '../../../src/lib/yaml/index.ts'
import { readFixtures } from './txtar.ts'

const FLUX = { loadRestrictor: 'LoadRestrictionsNone', reorder: 'none' } as const

function configMap(name: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {k: v}\n`
}

/** Counts how often a text is really parsed. */
function parsedTimes(cache: ParseCache, texts: readonly string[]): number {
  let times = 0
  for (const text of texts) {
    cache.documents(text, {}, () => {
      times++
      return parseNodes(text, { dialect: 'kyaml' })
    })
  }
  return times
}

describe('builds with a cache of parsed files', () => {
  it('print the same, however often they run', async () => {
    const cache = new ParseCache(2 ** 24)
    for (const { title, files, target, yaml } of readFixtures()) {
      if (yaml === undefined) continue
      for (const _ of ['cold', 'warm'])
        expect((await build(memoryTree(files), target, { ...FLUX, cache })).yaml(), title).toBe(yaml)
    }
  })

  it('name the file of the build at hand when two files have the same content', async () => {
    const cache = new ParseCache(2 ** 20)
    const files = (file: string) =>
      memoryTree([
        ['kustomization.yaml', `resources: [${file}]\n`],
        [file, configMap('a')],
      ])
    expect((await build(files('a.yaml'), '', { cache })).files).toEqual(['a.yaml'])
    expect((await build(files('b.yaml'), '', { cache })).files).toEqual(['b.yaml'])
  })

  it('keep to their own limits', async () => {
    const cache = new ParseCache(2 ** 20)
    const tree = memoryTree([
      ['kustomization.yaml', 'resources: [a.yaml]\n'],
      ['a.yaml', configMap('a')],
    ])
    await build(tree, '', { cache })
    await expect(build(tree, '', { cache, limits: { maxNodes: 3 } })).rejects.toThrow('too many values')
  })
})

describe('ParseCache', () => {
  it('parses a text once, and is not changed by what is done to its nodes', () => {
    const cache = new ParseCache(2 ** 20)
    expect(parsedTimes(cache, [configMap('a'), configMap('a'), configMap('b'), configMap('a')])).toBe(2)
    const read = () => cache.documents(configMap('a'), {}, () => [])[0]
    read()?.content.splice(0)
    expect(read()?.content).toHaveLength(8)
  })

  it('forgets what was used longest ago, and never takes more than it may', () => {
    const probe = new ParseCache(2 ** 20)
    parsedTimes(probe, [configMap('a')])
    const cache = new ParseCache(probe.sizeBytes * 2)
    parsedTimes(cache, ['a', 'b', 'a', 'c'].map(configMap))
    expect(cache.sizeBytes).toBe(probe.sizeBytes * 2)
    expect(parsedTimes(cache, [configMap('a')])).toBe(0)
    expect(parsedTimes(cache, [configMap('b')])).toBe(1)
    expect(parsedTimes(new ParseCache(100), [configMap('a'), configMap('a')])).toBe(2)
  })

  it('keeps no failure', () => {
    const cache = new ParseCache(2 ** 20)
    const failing = () =>
      cache.documents('a', {}, () => {
        throw new Error('broken')
      })
    expect(failing).toThrow('broken')
    expect(failing).toThrow('broken')
    expect(cache.sizeBytes).toBe(0)
  })
})
