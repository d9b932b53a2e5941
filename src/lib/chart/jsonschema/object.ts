/** What schemas ask of objects. Properties are gone through by name, so that the same values give the same message each time. */

import type { Doc } from './document.ts'
import { count, quoted, quotedList } from './failure.ts'
import { Schema } from './schema.ts'
import type { Visit } from './validate.ts'

type Properties = ReadonlyMap<string, Doc>

export function checkObject(visit: Visit, object: Properties): void {
  const { keywords, schema } = visit
  checkSize(visit, object)
  checkRequired(visit, object)
  for (const [name, dependency] of sorted(keywords.dependencies)) {
    if (!object.has(name)) continue
    if (dependency instanceof Schema) visit.add(visit.same(dependency))
    else checkDependency(visit, object, name, dependency)
  }
  checkProperties(visit, object)
  if (schema.draft >= 6 && keywords.propertyNames) {
    for (const name of [...object.keys()].sort()) visit.propertyName(keywords.propertyNames, name)
  }
  for (const [name, dependent] of sorted(keywords.dependentSchemas)) if (object.has(name)) visit.add(visit.same(dependent))
  for (const [name, required] of sorted(keywords.dependentRequired)) {
    if (object.has(name)) checkDependency(visit, object, name, required)
  }
}

function checkSize(visit: Visit, { size }: Properties): void {
  const { minProperties, maxProperties } = visit.keywords
  if (minProperties !== undefined && size < minProperties) {
    visit.fail(() => `minProperties: got ${count(size)}, want ${count(minProperties)}`)
  }
  if (maxProperties !== undefined && size > maxProperties) {
    visit.fail(() => `maxProperties: got ${count(size)}, want ${count(maxProperties)}`)
  }
}

function checkRequired(visit: Visit, object: Properties): void {
  const { required = [] } = visit.keywords
  visit.spend(required.length)
  const missing = missingOf(object, required)
  if (missing.length > 0) visit.fail(() => `missing ${missing.length === 1 ? 'property' : 'properties'} ${quotedList(missing)}`)
}

function checkDependency(visit: Visit, object: Properties, name: string, required: readonly string[]): void {
  visit.spend(required.length)
  const missing = missingOf(object, required)
  if (missing.length > 0) visit.fail(() => `properties ${quotedList(missing)} required, if ${quoted(name)} exists`)
}

function missingOf(object: Properties, required: readonly string[]): string[] {
  return required.filter((name) => !object.has(name))
}

function checkProperties(visit: Visit, object: Properties): void {
  const { properties, patternProperties = [], additionalProperties } = visit.keywords
  const unexpected: string[] = []
  for (const [name, value] of sorted(object)) {
    visit.spend(1 + patternProperties.length)
    const own = properties?.get(name)
    const schemas = [
      ...(own ? [own] : []),
      ...patternProperties.filter(({ pattern }) => pattern.test(name)).map(({ schema }) => schema),
    ]
    for (const schema of schemas) visit.add(visit.inner(schema, value, name))
    if (schemas.length === 0 && additionalProperties === undefined) continue
    visit.unevaluated.properties?.delete(name)
    if (schemas.length > 0 || additionalProperties === true) continue
    if (additionalProperties === false) unexpected.push(name)
    else if (additionalProperties) visit.add(visit.inner(additionalProperties, value, name))
  }
  if (unexpected.length > 0) visit.fail(() => `additional properties ${quotedList(unexpected)} not allowed`)
}

function sorted<T>(map: ReadonlyMap<string, T> | undefined): (readonly [string, T])[] {
  return [...(map ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))
}
