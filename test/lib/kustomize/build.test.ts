import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { BuildError } from '../../../src/lib/errors.ts'
import { type BuildOptions, build } from '../../../src/lib/kustomize/index.ts'
import { memoryTree } from '../../../src/lib/tree.ts'
import { readFixtures } from './txtar.ts'

const FLUX = { loadRestrictor: 'LoadRestrictionsNone', reorder: 'none' } as const

function buildFiles(files: Record<string, string | Uint8Array>, path = '', options: BuildOptions = FLUX) {
  return build(memoryTree(Object.entries(files)), path, options)
}

function configMap(name: string, data = 'a: b'): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {${data}}\n`
}

/** kustomize's words without the addresses that Go prints. */
function withoutAddresses(error: string): string {
  return error.replace(/^Error: /, '').replace(/ &\{0x.*? (?:<nil>|0x\w+)\}/g, '')
}

describe('builds what kustomize builds', () => {
  for (const fixture of readFixtures()) {
    it(fixture.title, async () => {
      const result = build(memoryTree(fixture.files), fixture.target, FLUX)
      if (fixture.yaml !== undefined) {
        expect((await result).yaml()).toBe(fixture.yaml)
        return
      }
      const error = await result.then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
      expect(error).toBeInstanceOf(BuildError)
      // What our message says beyond kustomize's (a second file, the line) stands in brackets or behind it.
      const said =
        String((error as BuildError).message)
          .replace(/ \(in [^)]*\)/, '')
          .split(' in "')[0] ?? ''
      expect(withoutAddresses(fixture.error ?? '')).toContain(said.split(':').at(-1)?.trim())
    })
  }
})

describe('options', () => {
  const files = {
    'kustomization.yaml': 'resources: [b.yaml, a.yaml]\n',
    'b.yaml': configMap('b'),
    'a.yaml': 'apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n',
  }

  it('sorts unless the order of the input is asked for', async () => {
    expect((await buildFiles(files)).resources.map((object) => object.kind)).toEqual(['ConfigMap', 'Namespace'])
    expect((await buildFiles(files, '', {})).resources.map((object) => object.kind)).toEqual(['Namespace', 'ConfigMap'])
  })

  it('labels what it builds when asked', async () => {
    const [first] = (await buildFiles(files, '', { ...FLUX, addManagedByLabel: true })).resources
    expect(first?.metadata).toMatchObject({ labels: { 'app.kubernetes.io/managed-by': 'kustomize-v5.8.1' } })
  })

  it('KUS-BLD-11 reads no file outside of the folder by default, and none outside of the tree ever', async () => {
    const tree = { 'shared/x.yaml': configMap('x'), 'app/kustomization.yaml': 'resources: [../shared/x.yaml]\n' }
    await expect(buildFiles(tree, 'app', {})).rejects.toThrow(`security; file 'shared/x.yaml' is not in or below 'app'`)
    expect((await buildFiles(tree, 'app')).resources).toHaveLength(1)
    const escaping = { 'app/kustomization.yaml': 'resources: [../../../etc/passwd]\n' }
    await expect(buildFiles(escaping, 'app')).rejects.toThrow('leads out of the source')
    await expect(buildFiles({ 'kustomization.yaml': 'resources: [/etc/passwd]\n' })).rejects.toThrow('cannot be absolute')
  })

  it('says what it read and what it looked for in vain', async () => {
    const { filesRead } = await buildFiles({
      ...files,
      'kustomization.yaml': 'resources: [b.yaml, base]\n',
      'base/kustomization.yaml': 'resources: [c.yaml]\n',
      'base/c.yaml': configMap('c'),
    })
    const hash = (text: string): string => createHash('sha256').update(text).digest('hex')
    expect(filesRead.get('b.yaml')).toBe(hash(configMap('b')))
    expect(filesRead.get('base/c.yaml')).toBe(hash(configMap('c')))
    expect(filesRead.has('base/kustomization.yml')).toBe(true)
    expect(filesRead.get('base/kustomization.yml')).toBeUndefined()
    expect(filesRead.has('a.yaml')).toBe(false)
  })

  it('warns of deprecated fields and of vars that nothing uses', async () => {
    const { warnings } = await buildFiles({
      'kustomization.yaml': 'bases: [b]\nvars: [{name: V, objref: {kind: ConfigMap, name: c, apiVersion: v1}}]\n',
      'b/kustomization.yaml': 'resources: [c.yaml]\n',
      'b/c.yaml': configMap('c'),
    })
    expect(warnings).toEqual([
      expect.stringContaining(`'bases' is deprecated`),
      expect.stringContaining(`'vars' is deprecated`),
      'well-defined vars that were never replaced: V',
    ])
  })
})

describe('remote bases', () => {
  const files = { 'kustomization.yaml': 'resources:\n- https://example.com/org/repo//deploy?ref=v1&timeout=5s\nnamePrefix: p-\n' }

  it('KUS-BLD-10 fetches a repository through the function that is handed in, and refuses without one', async () => {
    const asked: unknown[] = []
    const remote: NonNullable<BuildOptions['remote']> = async (request) => {
      asked.push(request)
      if (request.kind === 'file') return undefined
      return memoryTree([
        ['deploy/kustomization.yaml', 'resources: [c.yaml]\n'],
        ['deploy/c.yaml', configMap('remote')],
      ])
    }
    const result = await buildFiles(files, '', { ...FLUX, remote })
    expect(result.resources).toMatchObject([{ metadata: { name: 'p-remote' } }])
    expect(asked.at(-1)).toMatchObject({
      kind: 'git',
      cloneUrl: 'https://example.com/org/repo',
      path: 'deploy',
      ref: 'v1',
      timeoutMs: 5000,
    })
    await expect(buildFiles(files)).rejects.toThrow('not allowed here')
  })

  it('keeps bases of a repository inside of it', async () => {
    const remote: NonNullable<BuildOptions['remote']> = async (request) =>
      request.kind === 'file' ? undefined : memoryTree([['deploy/kustomization.yaml', 'resources: [../../secret]\n']])
    await expect(buildFiles(files, '', { ...FLUX, remote })).rejects.toThrow('leads out of the source')
  })
})

describe('errors', () => {
  it('F-KUS-06 names file and line of broken YAML', async () => {
    const broken = (text: string) => buildFiles({ 'kustomization.yaml': 'resources: [app.yaml]\n', 'app.yaml': text })
    await expect(broken('a: 1\n\tb: 2\n')).rejects.toMatchObject({ place: { file: 'app.yaml', line: 2 } })
    await expect(broken(`${configMap('x')}---\na: "\0"\n`)).rejects.toMatchObject({ place: { file: 'app.yaml', line: 6 } })
    await expect(broken('kind: A\nmetadata: {name: a}\nkind: B\n').then((r) => r)).rejects.toThrow(
      'mapping key "kind" already defined at line 1',
    )
    await expect(buildFiles({ 'kustomization.yaml': 'resources:\n\t- a\n' })).rejects.toMatchObject({
      place: { file: 'kustomization.yaml', line: 2 },
    })
  })

  it('names both files of an object that is there twice', async () => {
    const files = { 'kustomization.yaml': 'resources: [a.yaml, b.yaml]\n', 'a.yaml': configMap('x'), 'b.yaml': configMap('x') }
    await expect(buildFiles(files)).rejects.toThrow('ConfigMap.v1.[noGrp]/x.[noNs] (in a.yaml and b.yaml)')
  })

  it('never shows values of secrets', async () => {
    const secret = (namespace: string) =>
      `apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: ${namespace}}\nstringData: {k: geheim}\n`
    const files = {
      'kustomization.yaml': 'resources: [a.yaml, b.yaml]\nnamespace: one\n',
      'a.yaml': secret('a'),
      'b.yaml': secret('b'),
    }
    const error = await buildFiles(files).catch(String)
    expect(error).toContain('ID conflict')
    expect(error).not.toContain('geheim')
    const literal = await buildFiles({ 'kustomization.yaml': 'secretGenerator: [{name: s, literals: ["=geheim"]}]\n' }).catch(
      String,
    )
    expect(literal).toContain('invalid literal source')
    expect(literal).not.toContain('geheim')
  })

  it('refuses charts', async () => {
    await expect(buildFiles({ 'kustomization.yaml': 'helmCharts: [{name: c}]\n' })).rejects.toThrow('use a HelmRelease')
  })
})

describe('hostile input', () => {
  it('F-KUS-07 stops at alias bombs, deep nesting and huge texts', async () => {
    const bomb = ['apiVersion: v1', 'kind: Bomb', 'metadata: {name: b}', 'a0: &a0 [x,x,x,x,x,x,x,x,x]']
    for (let i = 1; i < 10; i++)
      bomb.push(
        `a${i}: &a${i} [${Array(9)
          .fill(`*a${i - 1}`)
          .join(',')}]`,
      )
    const one = (text: string) => buildFiles({ 'kustomization.yaml': 'resources: [x.yaml]\n', 'x.yaml': text })
    await expect(one(bomb.join('\n'))).rejects.toThrow('excessive aliasing')
    await expect(
      one(`apiVersion: v1\nkind: Deep\nmetadata: {name: d}\nspec: ${'['.repeat(5000)}${']'.repeat(5000)}\n`),
    ).rejects.toThrow('max depth')
    const limits = { maxLength: 1000 }
    await expect(
      buildFiles({ 'kustomization.yaml': 'resources: [x.yaml]\n', 'x.yaml': configMap('x', `k: ${'x'.repeat(1000)}`) }, '', {
        ...FLUX,
        limits,
      }),
    ).rejects.toThrow('limit of 1000')
  })

  it('matches hostile expressions in linear time', async () => {
    const files = {
      'kustomization.yaml': `resources: [x.yaml]\npatches:\n- target: {name: "(a+)+b"}\n  patch: '[{"op": "remove", "path": "/data"}]'\n`,
      'x.yaml': configMap('a'.repeat(200)),
    }
    const started = performance.now()
    await buildFiles(files)
    expect(performance.now() - started).toBeLessThan(2000)
  })

  it('F-KUS-14 builds five times the objects in not much more than five times the time', async () => {
    const overlay = (count: number) => ({
      'base/kustomization.yaml': 'resources: [all.yaml]\nconfigMapGenerator: [{name: shared, literals: [a=b]}]\n',
      'base/all.yaml': Array.from(
        { length: count },
        (_, i) =>
          `apiVersion: v1\nkind: Pod\nmetadata: {name: p${i}}\nspec: {containers: [{name: c, image: i, envFrom: [{configMapRef: {name: shared}}]}]}\n`,
      ).join('---\n'),
      'over/kustomization.yaml': 'resources: [../base]\nnamePrefix: x-\nnamespace: ns\ncommonLabels: {a: b}\n',
    })
    const time = async (count: number): Promise<number> => {
      const started = performance.now()
      const { resources } = await buildFiles(overlay(count), 'over')
      expect(resources).toHaveLength(count + 1)
      return performance.now() - started
    }
    await time(1000)
    const [small, large] = [Math.min(await time(1000), await time(1000)), await time(5000)]
    expect(large / small).toBeLessThan(15)
  })
})

describe('growth', () => {
  const doubling = 'apiVersion: v1\nkind: Grow\nmetadata: {name: g}\nspec: {a: {x: 1}}\n'

  it('stops patches, replacements and vars that grow without end', async () => {
    const copies = Array.from({ length: 40 }, (_, i) => `{"op": "copy", "from": "/spec", "path": "/spec/c${i}"}`).join(',')
    const patched = {
      'kustomization.yaml': `resources: [g.yaml]\npatches: [{target: {kind: Grow}, patch: '[${copies}]'}]\n`,
      'g.yaml': doubling,
    }
    await expect(buildFiles(patched)).rejects.toThrow('copy too much')

    const replacements = Array.from(
      { length: 40 },
      (_, i) =>
        `- {source: {kind: Grow, fieldPath: spec}, targets: [{select: {kind: Grow}, fieldPaths: [spec.c${i}], options: {create: true}}]}\n`,
    ).join('')
    await expect(
      buildFiles({ 'kustomization.yaml': `resources: [g.yaml]\nreplacements:\n${replacements}`, 'g.yaml': doubling }),
    ).rejects.toThrow('copy too much')

    const long = `apiVersion: v1\nkind: Pod\nmetadata: {name: p, annotations: {v: "${'x'.repeat(100_000)}"}}\nspec: {containers: [{name: c, args: ["${'$(V)'.repeat(1000)}"]}]}\n`
    const vars = 'vars: [{name: V, objref: {kind: Pod, name: p, apiVersion: v1}, fieldref: {fieldPath: metadata.annotations.v}}]\n'
    await expect(buildFiles({ 'kustomization.yaml': `resources: [p.yaml]\n${vars}`, 'p.yaml': long })).rejects.toThrow(
      'becomes too long',
    )
  })

  it('bounds the values of one file', async () => {
    const files = {
      'kustomization.yaml': 'resources: [x.yaml]\n',
      'x.yaml': `apiVersion: v1\nkind: Big\nmetadata: {name: b}\nspec: [${'a,'.repeat(1_000_001)}]\n`,
    }
    await expect(buildFiles(files)).rejects.toThrow('too many values')
  })
})
