import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { load } from 'js-yaml'
import { describe, expect, it } from 'vitest'
import { customResourceDefinition } from '../../src/api/crd.ts'
import { generatedFiles, staleFiles } from '../../src/api/generate.ts'
import { kinds } from '../../src/api/kinds.ts'
import type { JsonSchema } from '../../src/api/schema.ts'

const crds = join(import.meta.dirname, '../../crds')

describe('crds/', () => {
  it('is what the definitions say (else: npm run generate)', () => {
    expect(staleFiles(crds)).toEqual([])
  })

  it('counts files that are missing, changed or left over as stale', () => {
    const folder = mkdtempSync(join(tmpdir(), 'crds-'))
    for (const [name, content] of generatedFiles()) writeFileSync(join(folder, name), content)
    expect(staleFiles(folder)).toEqual([])
    const [changed = '', missing = ''] = [...generatedFiles().keys()]
    writeFileSync(join(folder, changed), 'x')
    rmSync(join(folder, missing))
    writeFileSync(join(folder, 'old.yaml'), 'x')
    expect(staleFiles(folder)).toEqual([changed, missing, 'old.yaml'])
    rmSync(folder, { recursive: true })
  })

  it('reads back as the definitions', () => {
    for (const kind of kinds) {
      const text = generatedFiles().get(`${kind.group}_${kind.plural}.yaml`) ?? ''
      expect(load(text)).toEqual(customResourceDefinition(kind))
    }
  })
})

describe('every field of every kind', () => {
  const fields = kinds.flatMap((kind) => [
    ...walk(kind.spec.json, `${kind.kind}.spec`),
    ...(kind.status ? walk(kind.status.json, `${kind.kind}.status`) : []),
  ])

  it('has a description that is a sentence', () => {
    expect(fields.filter(({ schema }) => !/^[A-Z].*\.$/.test(schema.description)).map(({ path }) => path)).toEqual([])
  })

  it('has a description of its own, not one that only repeats the name', () => {
    const words = ({ path, schema }: { path: string; schema: JsonSchema }) =>
      schema.description.toLowerCase().replace(/[^a-z]/g, '') === path.split('.').at(-1)?.toLowerCase()
    expect(fields.filter(words)).toEqual([])
  })
})

function walk(schema: JsonSchema, path: string): { path: string; schema: JsonSchema }[] {
  return [
    { path, schema },
    ...Object.entries(schema.properties ?? {}).flatMap(([name, child]) => walk(child, `${path}.${name}`)),
    ...(schema.items ? walk(schema.items, `${path}[]`) : []),
    ...(schema.additionalProperties ? walk(schema.additionalProperties, `${path}{}`) : []),
  ]
}
