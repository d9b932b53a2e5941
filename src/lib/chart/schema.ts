/** Values against the values.schema.json of a chart and its dependencies. */

import { BuildError, messageOf } from '../errors.ts'
import { LimitError } from '../gotemplate/environment.ts'
import { type Dict, textOf, typeOf } from '../gotemplate/value.ts'
import type { Chart } from './chart.ts'
import { type CompiledSchema, compileSchema } from './jsonschema/index.ts'
import { isTable } from './table.ts'

const schemaUrl = 'file:///values.schema.json'

export interface SchemaCheckOptions {
  /** Gives the text of a schema that a chart refers to by `http:` or `https:`. Without it such charts are refused: nothing here reaches the network. */
  readonly fetchSchema?: (url: string) => string
}

/**
 * Checks coalesced values against the schemas of a chart and all its dependencies.
 * @throws BuildError with Helm's text, all charts that fail in one; LimitError.
 * Source: helm pkg/chart/common/util/jsonschema.go, values.go.
 */
export function checkSchemas(chart: Chart, values: Dict, options: SchemaCheckOptions = {}): void {
  const problems = problemsOf(chart, values, options)
  if (problems === '') return
  throw new BuildError(`values don't meet the specifications of the schema(s) in the following chart(s):\n${problems}`)
}

/** Nothing stands between what two charts say: a schema that cannot be used ends without a line break, as in Helm. */
function problemsOf(chart: Chart, values: Dict, options: SchemaCheckOptions): string {
  const problem = chart.schema && ownProblem(chart.schema, values, options)
  const own = problem === undefined ? '' : `${chart.metadata.name}:\n${problem}`
  const inside = chart.dependencies.map((dependency) => {
    const { name } = dependency.metadata
    const given = values.get(name) ?? null
    if (given === null) return ''
    if (isTable(given)) return problemsOf(dependency, given, options)
    return `${name}:\ninvalid type for values: expected object (map), got ${typeOf(given)?.name}\n`
  })
  return own + inside.join('')
}

function ownProblem(schema: Uint8Array, values: Dict, options: SchemaCheckOptions): string | undefined {
  try {
    const problem = compiledSchema(schema, options).problem(values)
    return problem === undefined
      ? undefined
      : `${problem.replace(/^jsonschema validation failed with 'file:\/\/\/values\.schema\.json#'\n/, '')}\n`
  } catch (error) {
    if (error instanceof LimitError) throw error
    return messageOf(error)
  }
}

/** By the bytes of the file, which every release of a chart shares. */
const compiled = new WeakMap<Uint8Array, CompiledSchema>()

function compiledSchema(schema: Uint8Array, { fetchSchema }: SchemaCheckOptions): CompiledSchema {
  const known = compiled.get(schema)
  if (known) return known
  const made = compileSchema(textOf(schema), { url: schemaUrl, read: (url) => readSchema(url, fetchSchema) })
  compiled.set(schema, made)
  return made
}

function readSchema(url: string, fetchSchema: SchemaCheckOptions['fetchSchema']): string {
  const [scheme = ''] = url.split(':', 1)
  // Names that nobody can resolve allow everything, as in Helm.
  if (scheme === 'urn') return 'true'
  if (scheme === 'file') throw new BuildError(`open ${decodeURI(url.replace(/^file:\/\/[^/]*/, ''))}: no such file or directory`)
  if (scheme !== 'http' && scheme !== 'https') throw new BuildError(`no URLLoader registered for "${url}"`)
  if (!fetchSchema) throw new BuildError(`HTTP request failed for ${url}: schemas at other places are not fetched`)
  return fetchSchema(url)
}
