/** Documents → schemas. Source: santhosh-tekuri/jsonschema v6 compiler.go, objcompiler.go. */

import { BuildError, messageOf } from '../../errors.ts'
import { quote } from '../../gotemplate/strconv.ts'
import { type Decimal, type Doc, decimalOf, isArray, isNumber, isObject, isWhole, numberText } from './document.ts'
import type { Draft } from './drafts.ts'
import { formats, regexFormat } from './formats.ts'
import { type Address, addressText, encodeFragment, escapeToken, lookUp, resolveReference } from './location.ts'
import { compilePattern } from './pattern.ts'
import { type Documents, type Resource, type Root, resourceAt } from './roots.ts'
import { type Format, type Keywords, type Pattern, Schema, type TypeName } from './schema.ts'

export interface CompileOptions {
  /** Check `format` in the newer drafts too. */
  readonly assertFormats?: boolean
}

/** Compiles schemas that may refer to each other, each once. */
export class Compiler {
  readonly #documents: Documents
  readonly #assertFormats: boolean
  readonly #schemas = new Map<string, Schema>()
  readonly #waiting: { readonly schema: Schema; readonly address: Address }[] = []

  constructor(documents: Documents, { assertFormats = false }: CompileOptions = {}) {
    this.#documents = documents
    this.#assertFormats = assertFormats
  }

  /** @throws BuildError for a reference to nowhere, a malformed expression, or a schema that its metaschema does not allow. */
  compile(url: string): Schema {
    const schema = this.schemaAt(this.#documents.root(url), '')
    // Filling one adds those that it holds: first come, first served, so that the first fault is the one that is told.
    for (const { schema, address } of this.#waiting) this.#fill(schema, address)
    return schema
  }

  /** The schema at an address: compiled, or to be compiled soon. */
  schemaAt(root: Root, pointer: string): Schema {
    const address = { url: root.url, pointer }
    const key = `${root.url}#${pointer}`
    const known = this.#schemas.get(key)
    if (known) return known
    const schema = new Schema(addressText(address))
    this.#schemas.set(key, schema)
    this.#waiting.push({ schema, address })
    return schema
  }

  /** The schema that a `$ref` leads to. */
  referred(root: Root, resource: Resource, reference: string): Schema {
    const target = resolveReference(resource.id, reference)
    const local = root.byId.get(target.url) ?? (target.url === root.url ? root.resources.get('') : undefined)
    if (local) return this.schemaAt(root, root.pointerOf(target.fragment, local))
    const other = this.#documents.root(target.url)
    return this.schemaAt(other, other.pointerOf(target.fragment, other.top()))
  }

  #fill(schema: Schema, address: Address): void {
    const root = this.#documents.rootWith(address)
    const resource = resourceAt(root, address.pointer)
    const doc = lookUp(root.document, address)
    schema.draft = resource.draft.version
    schema.resource = this.schemaAt(root, resource.pointer)
    if (schema.draft >= 2020 && address.pointer === resource.pointer) {
      const anchors = [...resource.anchors].filter(([name]) => resource.dynamicAnchors.has(name))
      schema.dynamicAnchors = new Map(anchors.map(([name, pointer]) => [name, this.schemaAt(root, pointer)]))
    }
    if (typeof doc === 'boolean') schema.verdict = doc
    else if (isObject(doc) && doc.size === 0) schema.verdict = true
    else if (isObject(doc))
      schema.keywords = readKeywords(new SchemaReader({ compiler: this, root, resource, address, doc }), this.#assertFormats)
  }
}

function readKeywords(reader: SchemaReader, assertFormats: boolean): Keywords {
  const { version } = reader.resource.draft
  const ref = reader.reference('$ref')
  const later = { ...newerApplicators(reader, version), ...newerAssertions(reader, version) }
  // In the old drafts nothing else counts next to a `$ref`: the library forgets about what came with drafts 6 and 7.
  if (ref && version < 2019) return withoutAbsent({ ref, ...later })
  return withoutAbsent({
    ref,
    ...applicators(reader, version),
    ...assertions(reader),
    ...(assertFormats || version < 2019 ? { format: reader.format() } : {}),
    ...later,
    ...(version >= 2019 ? dynamicReferences(reader, version) : {}),
  })
}

type Absent<T> = { readonly [K in keyof T]?: T[K] | undefined }

/** Leaves out what is undefined. */
function withoutAbsent(keywords: Absent<Keywords>): Keywords {
  return Object.fromEntries(Object.entries(keywords).filter(([, value]) => value !== undefined)) as Keywords
}

function applicators(reader: SchemaReader, version: Draft['version']): Absent<Keywords> {
  return {
    allOf: reader.schemas('allOf'),
    anyOf: reader.schemas('anyOf'),
    oneOf: reader.schemas('oneOf'),
    not: reader.schema('not'),
    ...itemSchemas(reader, version),
    properties: reader.schemaTable('properties'),
    patternProperties: reader.patternSchemas(),
    additionalProperties: reader.schemaOrFlag('additionalProperties'),
    dependencies: reader.dependencies(),
  }
}

function newerApplicators(reader: SchemaReader, version: Draft['version']): Absent<Keywords> {
  return {
    ...(version >= 6 ? { contains: reader.schema('contains'), propertyNames: reader.schema('propertyNames') } : {}),
    ...(version >= 7 ? conditions(reader) : {}),
    ...(version >= 2019
      ? {
          dependentSchemas: reader.schemaTable('dependentSchemas'),
          unevaluatedItems: reader.schema('unevaluatedItems'),
          unevaluatedProperties: reader.schema('unevaluatedProperties'),
        }
      : {}),
  }
}

function itemSchemas(reader: SchemaReader, version: Draft['version']): Absent<Keywords> {
  if (version >= 2020) return { firstItems: reader.schemas('prefixItems'), items: reader.schema('items') }
  const firstItems = reader.schemas('items')
  return firstItems ? { firstItems, additionalItems: reader.schemaOrFlag('additionalItems') } : { items: reader.schema('items') }
}

/** A branch that can never be taken is not even compiled. */
function conditions(reader: SchemaReader): Absent<Keywords> {
  const condition = reader.schema('if')
  if (!condition) return {}
  const always = reader.flag('if')
  return {
    condition,
    ...(always !== false ? { consequence: reader.schema('then') } : {}),
    ...(always !== true ? { alternative: reader.schema('else') } : {}),
  }
}

function assertions(reader: SchemaReader): Absent<Keywords> {
  return {
    types: reader.types(),
    enum: reader.array('enum'),
    multipleOf: reader.number('multipleOf'),
    ...reader.bounds('maximum', 'exclusiveMaximum'),
    ...reader.bounds('minimum', 'exclusiveMinimum'),
    minLength: reader.integer('minLength'),
    maxLength: reader.integer('maxLength'),
    pattern: reader.pattern(),
    minItems: reader.integer('minItems'),
    maxItems: reader.integer('maxItems'),
    uniqueItems: reader.flag('uniqueItems'),
    minProperties: reader.integer('minProperties'),
    maxProperties: reader.integer('maxProperties'),
    required: reader.texts('required'),
  }
}

function newerAssertions(reader: SchemaReader, version: Draft['version']): Absent<Keywords> {
  return {
    ...(version >= 6 ? { const: reader.constant() } : {}),
    ...(version >= 2019
      ? {
          minContains: reader.integer('minContains'),
          maxContains: reader.integer('maxContains'),
          dependentRequired: reader.textTable('dependentRequired'),
        }
      : {}),
  }
}

function dynamicReferences(reader: SchemaReader, version: Draft['version']): Absent<Keywords> {
  const recursive = { recursiveRef: reader.reference('$recursiveRef'), recursiveAnchor: reader.flag('$recursiveAnchor') }
  if (version < 2020) return recursive
  const target = reader.reference('$dynamicRef')
  const anchor = reader.text('$dynamicRef')?.split('#')[1] ?? ''
  return {
    ...recursive,
    ...(target ? { dynamicRef: { target, anchor: anchor.startsWith('/') ? '' : anchor } } : {}),
    dynamicAnchor: reader.text('$dynamicAnchor'),
  }
}

interface SchemaSource {
  readonly compiler: Compiler
  readonly root: Root
  readonly resource: Resource
  readonly address: Address
  readonly doc: ReadonlyMap<string, Doc>
}

const typeNames: readonly TypeName[] = ['null', 'boolean', 'number', 'integer', 'string', 'array', 'object']

/** Reads the keywords of one schema. A keyword with a value of the wrong type is as good as absent: the metaschema has judged it. */
class SchemaReader {
  readonly resource: Resource
  readonly #compiler: Compiler
  readonly #root: Root
  readonly #address: Address
  readonly #doc: ReadonlyMap<string, Doc>

  constructor({ compiler, root, resource, address, doc }: SchemaSource) {
    this.resource = resource
    this.#compiler = compiler
    this.#root = root
    this.#address = address
    this.#doc = doc
  }

  text(key: string): string | undefined {
    const value = this.#doc.get(key)
    return typeof value === 'string' ? value : undefined
  }

  flag(key: string): boolean | undefined {
    const value = this.#doc.get(key)
    return typeof value === 'boolean' ? value : undefined
  }

  array(key: string): readonly Doc[] | undefined {
    const value = this.#doc.get(key)
    return isArray(value) ? value : undefined
  }

  number(key: string): Decimal | undefined {
    const value = this.#doc.get(key)
    return isNumber(value) ? decimalOf(numberText(value)) : undefined
  }

  integer(key: string): number | undefined {
    const value = this.number(key)
    return value && isWhole(value) ? Number(value.digits) * 10 ** value.exponent : undefined
  }

  texts(key: string): readonly string[] | undefined {
    const items = this.array(key)
    return items && textsOf(items)
  }

  textTable(key: string): ReadonlyMap<string, readonly string[]> | undefined {
    const table = this.#table(key)
    return table && new Map([...table].map(([name, value]) => [name, isArray(value) ? textsOf(value) : []]))
  }

  constant(): { readonly value: Doc } | undefined {
    return this.#doc.has('const') ? { value: this.#doc.get('const') ?? null } : undefined
  }

  types(): readonly TypeName[] | undefined {
    const given = this.#doc.get('type')
    const names = isArray(given) ? given : [given]
    const types = typeNames.filter((name) => names.includes(name))
    return types.length > 0 ? types : undefined
  }

  /** In draft 4 the exclusive keyword is a flag. */
  bounds<Inclusive extends 'minimum' | 'maximum', Exclusive extends 'exclusiveMinimum' | 'exclusiveMaximum'>(
    inclusive: Inclusive,
    exclusive: Exclusive,
  ): Absent<Keywords> {
    const bound = this.number(inclusive)
    if (this.flag(exclusive)) return { [exclusive]: bound }
    return { [inclusive]: bound, [exclusive]: this.number(exclusive) }
  }

  pattern(): Pattern | undefined {
    const source = this.text('pattern')
    return source === undefined ? undefined : this.#pattern('pattern', source)
  }

  format(): Format | undefined {
    const name = this.text('format')
    if (name === undefined) return undefined
    return name === 'regex' ? regexFormat : formats.get(name)
  }

  reference(key: string): Schema | undefined {
    const reference = this.text(key)
    return reference === undefined ? undefined : this.#compiler.referred(this.#root, this.resource, reference)
  }

  schema(key: string): Schema | undefined {
    return this.#doc.has(key) ? this.#inside(escapeToken(key)) : undefined
  }

  schemaOrFlag(key: string): Schema | boolean | undefined {
    return this.flag(key) ?? this.schema(key)
  }

  schemas(key: string): readonly Schema[] | undefined {
    return this.array(key)?.map((_, index) => this.#inside(`${key}/${index}`))
  }

  schemaTable(key: string): ReadonlyMap<string, Schema> | undefined {
    const table = this.#table(key)
    return table && new Map([...table.keys()].map((name) => [name, this.#inside(`${key}/${escapeToken(name)}`)]))
  }

  patternSchemas() {
    const table = this.schemaTable('patternProperties')
    return table && [...table].map(([source, schema]) => ({ pattern: this.#pattern('patternProperties', source), schema }))
  }

  dependencies(): ReadonlyMap<string, Schema | readonly string[]> | undefined {
    const table = this.#table('dependencies')
    if (!table) return undefined
    return new Map(
      [...table].map(([name, value]) => [
        name,
        isArray(value) ? textsOf(value) : this.#inside(`dependencies/${escapeToken(name)}`),
      ]),
    )
  }

  #table(key: string): ReadonlyMap<string, Doc> | undefined {
    const value = this.#doc.get(key)
    return isObject(value) ? value : undefined
  }

  #inside(path: string): Schema {
    return this.#compiler.schemaAt(this.#root, `${this.#address.pointer}/${path}`)
  }

  #pattern(key: string, source: string): Pattern {
    try {
      return compilePattern(source)
    } catch (error) {
      const where = quote(`${addressText(this.#address)}/${encodeFragment(key)}`)
      throw new BuildError(`invalid regex ${quote(source)} at ${where}: ${messageOf(error)}`, {}, { cause: error })
    }
  }
}

function textsOf(items: readonly Doc[]): string[] {
  return items.filter((item) => typeof item === 'string')
}
