/**
 * Makes openapi.generated.ts and fieldspecs.generated.ts from the kustomize that test/tools/kustomize/go.mod pins.
 * Run: npx node src/lib/kustomize/tables/generate.ts (needs Go and the module's sources).
 */

import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { loadAll } from '../../yaml/index.ts'

interface Definition {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly properties?: Readonly<Record<string, Definition>>
  readonly additionalProperties?: Definition | boolean
  readonly items?: Definition
  readonly 'x-kubernetes-patch-strategy'?: string
  readonly 'x-kubernetes-patch-merge-key'?: string
  readonly 'x-kubernetes-list-map-keys'?: readonly string[]
  readonly 'x-kubernetes-group-version-kind'?: readonly { group: string; version: string; kind: string }[]
}

interface OpenApi {
  readonly definitions: Readonly<Record<string, Definition>>
  readonly kinds: readonly { apiVersion: string; kind: string; namespaced: boolean }[]
}

/** `t`: object type, `i`: item type of a list, `v`: type of the values of a map, `k`: merge keys of a merged list. */
interface Field {
  t?: number
  i?: number
  v?: number
  k?: string[]
}

const here = fileURLToPath(new URL('.', import.meta.url))
const goModule = fileURLToPath(new URL('../../../../test/tools/kustomize', import.meta.url))

writeOpenApi(JSON.parse(go('run', './openapi')))
writeFieldSpecs(go('list', '-f', '{{.Dir}}', '-m', 'sigs.k8s.io/kustomize/api').trim())

function go(...args: string[]): string {
  return execFileSync('go', args, { cwd: goModule, encoding: 'utf8', maxBuffer: 1 << 28 })
}

/** Keeps only the fields that lead to a list merged by key: elsewhere knowing the type changes nothing. */
function writeOpenApi(openApi: OpenApi): void {
  const useful = usefulTypes(openApi.definitions)
  const numbers = new Map([...useful].sort().map((name, number) => [name, number]))
  const types = [...numbers.keys()].map((name) => fieldsOf(openApi.definitions[name], numbers))
  const kinds: Record<string, number> = {}
  for (const [name, number] of numbers) {
    for (const gvk of openApi.definitions[name]?.['x-kubernetes-group-version-kind'] ?? []) {
      kinds[`${gvk.group ? `${gvk.group}/` : ''}${gvk.version}/${gvk.kind}`] = number
    }
  }
  const scopes = (namespaced: boolean): string[] =>
    [
      ...new Set(openApi.kinds.filter((kind) => kind.namespaced === namespaced).map((kind) => `${kind.apiVersion}/${kind.kind}`)),
    ].sort()
  writeFileSync(
    `${here}openapi.generated.ts`,
    `// Made by generate.ts: do not edit.\nexport const openApi = ${JSON.stringify({ types, names: [...numbers.keys()], kinds: sortKeys(kinds), clusterScoped: scopes(false), namespaced: scopes(true) })}\n`,
  )
}

function usefulTypes(definitions: Readonly<Record<string, Definition>>): Set<string> {
  const useful = new Set<string>()
  for (let before = -1; before !== useful.size; ) {
    before = useful.size
    for (const [name, definition] of Object.entries(definitions)) {
      if (Object.values(definition.properties ?? {}).some((field) => leadsSomewhere(field, useful))) useful.add(name)
    }
  }
  return useful
}

function leadsSomewhere(field: Definition, useful: ReadonlySet<string>): boolean {
  return mergeKeys(field) !== undefined || refsOf(field).some((name) => useful.has(name))
}

function refsOf(field: Definition): string[] {
  const values = typeof field.additionalProperties === 'object' ? field.additionalProperties : undefined
  return [field.$ref, field.items?.$ref, values?.$ref].filter((ref) => ref !== undefined).map(typeName)
}

function typeName(ref: string): string {
  return ref.slice('#/definitions/'.length)
}

function mergeKeys(field: Definition): string[] | undefined {
  if (!field['x-kubernetes-patch-strategy']?.split(',').includes('merge')) return undefined
  const key = field['x-kubernetes-patch-merge-key']
  return [...(field['x-kubernetes-list-map-keys'] ?? (key === undefined ? [] : [key]))]
}

function fieldsOf(definition: Definition | undefined, numbers: ReadonlyMap<string, number>): Record<string, Field> {
  const fields: Record<string, Field> = {}
  for (const [name, property] of Object.entries(definition?.properties ?? {})) {
    if (!leadsSomewhere(property, new Set(numbers.keys()))) continue
    const values = typeof property.additionalProperties === 'object' ? property.additionalProperties : undefined
    const field: Field = {}
    const keys = mergeKeys(property)
    if (keys) field.k = keys
    assignType(field, 't', property.$ref, numbers)
    assignType(field, 'i', property.items?.$ref, numbers)
    assignType(field, 'v', values?.$ref, numbers)
    fields[name] = field
  }
  return sortKeys(fields)
}

function assignType(field: Field, to: 't' | 'i' | 'v', ref: string | undefined, numbers: ReadonlyMap<string, number>): void {
  const number = ref === undefined ? undefined : numbers.get(typeName(ref))
  if (number !== undefined) field[to] = number
}

function sortKeys<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The default field specs stand as YAML in Go string constants, one file for each transformer. */
function writeFieldSpecs(apiModule: string): void {
  const folder = `${apiModule}/internal/konfig/builtinpluginconsts`
  const sources = readdirSync(folder).filter((file) => file.endsWith('.go') && !file.endsWith('_test.go'))
  const constants = sources.flatMap((file) => [
    ...readFileSync(`${folder}/${file}`, 'utf8').matchAll(/(\w+) = `\n([^`]*)`(?: \+ (\w+))?/g),
  ])
  const texts = new Map(constants.map(([, name, text]) => [name, text]))
  const specs: Record<string, unknown> = {}
  for (const [, , text = '', more] of constants) {
    const [value] = loadAll(`${text}${texts.get(more) ?? ''}`, { dialect: 'sigs' })
    if (!Array.isArray(value)) Object.assign(specs, value)
  }
  writeFileSync(
    `${here}fieldspecs.generated.ts`,
    `// Made by generate.ts: do not edit.\nexport const fieldSpecs = ${JSON.stringify(specs)}\n`,
  )
}
