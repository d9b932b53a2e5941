/** Values against schemas. Source: santhosh-tekuri/jsonschema v6 validator.go. */

import { LimitError } from '../../gotemplate/environment.ts'
import { quote } from '../../gotemplate/strconv.ts'
import { typeOf } from '../../gotemplate/value.ts'
import { checkArray } from './array.ts'
import { type Doc, decimalOf, equalDocs, isArray, isNumber, isObject, isWhole, Literal, numberText, typeOfDoc } from './document.ts'
import { count, display, type Failure, type Path, quoted } from './failure.ts'
import { escapeToken } from './location.ts'
import { checkObject } from './object.ts'
import { checkNumber, checkText } from './scalar.ts'
import type { Keywords, Schema } from './schema.ts'

/** What all visits of one check share. */
export interface Run {
  /** How many more visits are allowed: schemas can be made to take exponential time. */
  steps: number
  /** In a check by a metaschema: the metaschema for the part of the document at a path that asks for another one. */
  readonly metaschemaAt?: (schema: Schema, path: Path | undefined) => Schema | undefined
}

/** Properties and items that no keyword has looked at yet; absent when nobody asks. */
export interface Unevaluated {
  properties?: Set<string>
  items?: Set<number>
}

/** Checks a value with as many visits as a hostile schema may have. @throws LimitError */
export function validate(schema: Schema, value: Doc, run: Run): Failure | undefined {
  return new Visit({ run, schema, value, path: undefined, parent: undefined, keyword: '', depth: 0, needsAll: false }).check()
}

interface VisitSource {
  readonly run: Run
  readonly schema: Schema
  readonly value: Doc
  readonly path: Path | undefined
  readonly parent: Visit | undefined
  /** The keyword of the reference that led here, or nothing. */
  readonly keyword: string
  /** How many values the visited one is in: visits of one value have the same. */
  readonly depth: number
  /** The visit that this one is for wants to know what was looked at. */
  readonly needsAll: boolean
}

/** One schema's look at one value. */
export class Visit {
  readonly run: Run
  readonly schema: Schema
  readonly keywords: Keywords
  readonly value: Doc
  readonly unevaluated: Unevaluated
  readonly #path: Path | undefined
  readonly #parent: Visit | undefined
  readonly #keyword: string
  readonly #depth: number
  readonly #failures: Failure[] = []

  constructor({ run, schema, value, path, parent, keyword, depth, needsAll }: VisitSource) {
    this.run = run
    this.spend(1)
    this.#path = path
    this.schema = run.metaschemaAt?.(schema, path) ?? schema
    this.keywords = this.schema.keywords
    this.value = value
    this.#parent = parent
    this.#keyword = keyword
    this.#depth = depth
    this.unevaluated = unevaluatedOf(value, this.schema, needsAll)
  }

  check(): Failure | undefined {
    const { schema, value } = this
    if (schema.verdict !== undefined) return schema.verdict ? undefined : this.#failure(() => 'false schema')
    const early = this.#cycle() ?? this.#simple()
    if (early) return early
    if (this.keywords.ref) {
      const failure = this.#follow(this.keywords.ref, '$ref')
      if (schema.draft < 2019) return failure
      this.add(failure)
    }
    if (isObject(value)) checkObject(this, value)
    else if (isArray(value)) checkArray(this, value)
    else if (typeof value === 'string') checkText(this, value)
    else if (isNumber(value)) checkNumber(this, value)
    if (schema.draft >= 2019) this.#dynamicReferences()
    this.#combinations()
    if (schema.draft >= 2019) this.#unevaluated()
    return this.#result()
  }

  /** @throws LimitError when that was too much. */
  spend(steps: number): void {
    this.run.steps -= steps
    if (this.run.steps < 0) throw new LimitError('the values take more steps to check against their schema than are allowed')
  }

  add(failure: Failure | undefined): void {
    if (failure) this.#failures.push(failure)
  }

  /** Notes that something is wrong. */
  fail(message: () => string, causes: readonly Failure[] = []): void {
    this.#failures.push(this.#failure(message, causes))
  }

  /** The value with another schema. */
  same(schema: Schema, keyword = ''): Failure | undefined {
    const needsAll = hasAny(this.unevaluated)
    const visit = new Visit({
      run: this.run,
      schema,
      value: this.value,
      path: this.#path,
      parent: this,
      keyword,
      depth: this.#depth,
      needsAll,
    })
    const failure = visit.check()
    if (!failure) keepCommon(this.unevaluated, visit.unevaluated)
    return failure
  }

  /** A value inside this one. */
  inner(schema: Schema, value: Doc, name: string): Failure | undefined {
    const path = { name, parent: this.#path }
    return new Visit({
      run: this.run,
      schema,
      value,
      path,
      parent: this,
      keyword: '',
      depth: this.#depth + 1,
      needsAll: false,
    }).check()
  }

  /** The name of a property by a schema of its own. */
  propertyName(schema: Schema, name: string): void {
    const failure = validate(schema, name, this.run)
    if (!failure) return
    const causes = failure.role === 'group' ? failure.causes : [failure]
    this.fail(() => `invalid propertyName ${quoted(name)}`, causes)
  }

  #failure(message: () => string, causes: readonly Failure[] = [], role: Failure['role'] = 'plain'): Failure {
    return { path: this.#path, message, causes, role }
  }

  #result(): Failure | undefined {
    if (this.#failures.length <= 1) return this.#failures[0]
    return this.#failure(() => 'validation failed', this.#failures, 'group')
  }

  #cycle(): Failure | undefined {
    for (let visit = this.#parent; visit && visit.#depth === this.#depth; visit = visit.#parent) {
      if (visit.schema !== this.schema) continue
      const [here, there, url] = [this.#keywordPath(), visit.#keywordPath(), this.schema.location]
      return this.#failure(() => `both ${here} and ${there} resolve to ${quote(url)} causing reference cycle`)
    }
    return undefined
  }

  /** The way through the schemas, references as they are written. */
  #keywordPath(): string {
    if (!this.#parent) return ''
    const own =
      this.#keyword === '' ? this.schema.location.slice(this.#parent.schema.location.length) : `/${escapeToken(this.#keyword)}`
    return this.#parent.#keywordPath() + own
  }

  /** What is told alone, because the rest makes no sense without it. */
  #simple(): Failure | undefined {
    const { value } = this
    const { types, const: constant, enum: allowed, format } = this.keywords
    const type = typeOfDoc(value)
    if (type === undefined) return this.#failure(() => `invalid jsonType ${goTypeName(value)}`)
    if (types && !types.includes(type) && !(types.includes('integer') && isInteger(value))) {
      return this.#failure(() => `got ${type}, want ${types.join(' or ')}`)
    }
    if (constant && !this.#equals(constant.value)) {
      const isPlain = !isArray(constant.value) && !isObject(constant.value)
      return this.#failure(() => (isPlain ? `value must be ${display(constant.value)}` : "'const' failed"))
    }
    if (allowed && !allowed.some((item) => this.#equals(item))) return this.#failure(() => enumMessage(allowed))
    const problem = typeof value === 'string' ? format?.problem(value) : undefined
    return problem === undefined ? undefined : this.#failure(() => `${display(value)} is not valid ${format?.name}: ${problem}`)
  }

  #equals(other: Doc): boolean {
    return equalDocs(this.value, other, () => this.spend(1))
  }

  #follow(schema: Schema, keyword: string): Failure | undefined {
    const failure = this.same(schema, keyword)
    if (!failure) return undefined
    const causes = failure.role === 'group' ? failure.causes : [failure]
    return this.#failure(() => 'validation failed', causes, 'reference')
  }

  #dynamicReferences(): void {
    const { recursiveRef, dynamicRef } = this.keywords
    if (recursiveRef) {
      const target = recursiveRef.keywords.recursiveAnchor ? this.#outermost((schema) => recursiveTarget(schema)) : undefined
      this.add(this.#follow(target ?? recursiveRef, '$recursiveRef'))
    }
    if (dynamicRef) {
      const { target, anchor } = dynamicRef
      const isDynamic = anchor !== '' && target.keywords.dynamicAnchor === anchor
      const found = isDynamic ? this.#outermost((schema) => schema.resource.dynamicAnchors.get(anchor)) : undefined
      this.add(this.#follow(found ?? target, '$dynamicRef'))
    }
  }

  /** What the visit farthest out has to offer. */
  #outermost(offer: (schema: Schema) => Schema | undefined): Schema | undefined {
    let found: Schema | undefined
    for (let visit: Visit | undefined = this; visit; visit = visit.#parent) found = offer(visit.schema) ?? found
    return found
  }

  #combinations(): void {
    const { not, allOf, anyOf, oneOf, condition, consequence, alternative } = this.keywords
    if (not && !this.same(not)) this.fail(() => "'not' failed")
    if (allOf) {
      const failures = allOf.flatMap((schema) => this.same(schema) ?? [])
      if (failures.length > 0) this.fail(() => "'allOf' failed", failures)
    }
    if (anyOf && anyOf.length > 0) this.#anyOf(anyOf)
    if (oneOf && oneOf.length > 0) this.#oneOf(oneOf)
    if (condition) {
      const branch = this.same(condition) ? alternative : consequence
      if (branch) this.add(this.same(branch))
    }
  }

  #anyOf(schemas: readonly Schema[]): void {
    const failures: Failure[] = []
    for (const schema of schemas) {
      const failure = this.same(schema)
      if (failure) failures.push(failure)
      // Who asks what was looked at must hear all that match.
      else if (!hasAny(this.unevaluated)) return
    }
    if (failures.length === schemas.length) this.fail(() => "'anyOf' failed", failures)
  }

  #oneOf(schemas: readonly Schema[]): void {
    const failures: Failure[] = []
    let matched: number | undefined
    for (const [index, schema] of schemas.entries()) {
      const failure = this.same(schema)
      if (failure) failures.push(failure)
      else if (matched === undefined) matched = index
      else {
        const first = matched
        this.fail(() => `'oneOf' failed, subschemas ${count(first)}, ${count(index)} matched`)
        return
      }
    }
    if (matched === undefined) this.fail(() => "'oneOf' failed, none matched", failures)
  }

  #unevaluated(): void {
    const { unevaluatedProperties, unevaluatedItems } = this.keywords
    const { value, unevaluated } = this
    if (isObject(value) && unevaluatedProperties) {
      for (const name of [...(unevaluated.properties ?? [])].sort())
        this.add(this.inner(unevaluatedProperties, value.get(name) ?? null, name))
      delete unevaluated.properties
    }
    if (isArray(value) && unevaluatedItems) {
      for (const index of unevaluated.items ?? []) this.add(this.inner(unevaluatedItems, value[index] ?? null, String(index)))
      delete unevaluated.items
    }
  }
}

function recursiveTarget(schema: Schema): Schema | undefined {
  return schema.resource.keywords.recursiveAnchor ? schema : undefined
}

function isInteger(value: Doc): boolean {
  return isNumber(value) && isWhole(decimalOf(numberText(value)))
}

function enumMessage(allowed: readonly Doc[]): string {
  if (allowed.some((item) => isArray(item) || isObject(item))) return "'enum' failed"
  const values = allowed.map(display)
  return values.length === 1 ? `value must be ${values[0]}` : `value must be one of ${values.join(', ')}`
}

function goTypeName(value: Doc): string {
  if (value instanceof Literal || isArray(value) || isObject(value)) return 'interface {}'
  return typeOf(value)?.name ?? '<nil>'
}

function unevaluatedOf(value: Doc, { keywords, draft }: Schema, isWanted: boolean): Unevaluated {
  if (isObject(value)) {
    const wanted = keywords.additionalProperties === undefined && (isWanted || keywords.unevaluatedProperties)
    return wanted ? { properties: new Set(value.keys()) } : {}
  }
  if (!isArray(value) || !(isWanted || keywords.unevaluatedItems)) return {}
  if (keywords.items !== undefined || (draft < 2020 && keywords.additionalItems !== undefined)) return {}
  const start = keywords.firstItems?.length ?? 0
  return start < value.length ? { items: new Set(value.keys().drop(start)) } : {}
}

function hasAny({ properties, items }: Unevaluated): boolean {
  return (properties?.size ?? 0) > 0 || (items?.size ?? 0) > 0
}

/** What neither visit has looked at. */
function keepCommon(own: Unevaluated, other: Unevaluated): void {
  for (const name of own.properties ?? []) if (!other.properties?.has(name)) own.properties?.delete(name)
  for (const index of own.items ?? []) if (!other.items?.has(index)) own.items?.delete(index)
}
