/** The versions of JSON Schema, and where each has schemas inside schemas. */

import { type Doc, isArray, isObject } from './document.ts'
import { escapeToken } from './location.ts'

export interface Draft {
  readonly version: 4 | 6 | 7 | 2019 | 2020
  readonly url: string
  /** The keyword that names a schema. */
  readonly id: 'id' | '$id'
  /** Keywords whose value is a schema, a list of schemas, or a table of schemas. */
  readonly single: readonly string[]
  readonly lists: readonly string[]
  readonly tables: readonly string[]
}

const draft4: Draft = {
  version: 4,
  url: 'http://json-schema.org/draft-04/schema',
  id: 'id',
  single: ['not', 'additionalProperties', 'items', 'additionalItems'],
  lists: ['allOf', 'anyOf', 'oneOf', 'items'],
  tables: ['definitions', 'properties', 'patternProperties', 'dependencies'],
}

const draft6: Draft = {
  ...draft4,
  version: 6,
  url: 'http://json-schema.org/draft-06/schema',
  id: '$id',
  single: [...draft4.single, 'propertyNames', 'contains'],
}

const draft7: Draft = {
  ...draft6,
  version: 7,
  url: 'http://json-schema.org/draft-07/schema',
  single: [...draft6.single, 'if', 'then', 'else'],
}

const draft2019: Draft = {
  ...draft7,
  version: 2019,
  url: 'https://json-schema.org/draft/2019-09/schema',
  single: [...draft7.single, 'unevaluatedProperties', 'unevaluatedItems', 'contentSchema'],
  tables: [...draft7.tables, '$defs', 'dependentSchemas'],
}

const draft2020: Draft = {
  ...draft2019,
  version: 2020,
  url: 'https://json-schema.org/draft/2020-12/schema',
  lists: [...draft2019.lists, 'prefixItems'],
}

/** What a schema without `$schema` is. */
export const latestDraft = draft2020

const byName: ReadonlyMap<string, Draft> = new Map([
  ['json-schema.org/schema', latestDraft],
  ['json-schema.org/draft/2020-12/schema', draft2020],
  ['json-schema.org/draft/2019-09/schema', draft2019],
  ['json-schema.org/draft-07/schema', draft7],
  ['json-schema.org/draft-06/schema', draft6],
  ['json-schema.org/draft-04/schema', draft4],
])

/** The draft that a `$schema` names. */
export function draftOf(url: string): Draft | undefined {
  return byName.get(url.replace(/#$/, '').replace(/^https?:\/\//, ''))
}

/** The name that a schema gives itself, without its fragment; empty when it has none. */
export function idOf(draft: Draft, schema: ReadonlyMap<string, Doc>): string {
  // Next to a `$ref` nothing else counts in the old drafts.
  if (draft.version < 2019 && schema.has('$ref')) return ''
  const id = schema.get(draft.id)
  return typeof id === 'string' ? (id.split('#', 1)[0] ?? '') : ''
}

/** The schemas right inside a schema, by pointer from the root. */
export function subschemas(draft: Draft, schema: ReadonlyMap<string, Doc>, pointer: string): Map<string, Doc> {
  const found = new Map<string, Doc>()
  for (const [key, value] of schema) {
    const at = `${pointer}/${escapeToken(key)}`
    if (draft.single.includes(key)) found.set(at, value)
    if (draft.lists.includes(key) && isArray(value)) for (const [index, item] of value.entries()) found.set(`${at}/${index}`, item)
    if (draft.tables.includes(key) && isObject(value))
      for (const [name, item] of value) found.set(`${at}/${escapeToken(name)}`, item)
  }
  return found
}
