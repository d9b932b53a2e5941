/** A compiled schema: what its keywords ask for. */

import type { Decimal, Doc } from './document.ts'
import type { Draft } from './drafts.ts'

export type TypeName = 'null' | 'boolean' | 'number' | 'integer' | 'string' | 'array' | 'object'

/** A regular expression with RE2's syntax, found anywhere in a text. */
export interface Pattern {
  readonly source: string
  test(text: string): boolean
}

/** Tells what is wrong with a text; undefined when nothing is. */
export interface Format {
  readonly name: string
  problem(text: string): string | undefined
}

/** The keywords of a schema. Those that hold the draft's other forms (`items`, `dependencies`) are told apart by their type. */
export interface Keywords {
  readonly ref?: Schema
  readonly recursiveRef?: Schema
  readonly recursiveAnchor?: boolean
  readonly dynamicRef?: { readonly target: Schema; readonly anchor: string }
  readonly dynamicAnchor?: string
  readonly types?: readonly TypeName[]
  readonly enum?: readonly Doc[]
  readonly const?: { readonly value: Doc }
  readonly format?: Format
  readonly not?: Schema
  readonly allOf?: readonly Schema[]
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  /** `if`, `then` and `else`. */
  readonly condition?: Schema
  readonly consequence?: Schema
  readonly alternative?: Schema

  readonly minProperties?: number
  readonly maxProperties?: number
  readonly required?: readonly string[]
  readonly dependencies?: ReadonlyMap<string, Schema | readonly string[]>
  readonly properties?: ReadonlyMap<string, Schema>
  readonly patternProperties?: readonly { readonly pattern: Pattern; readonly schema: Schema }[]
  readonly additionalProperties?: Schema | boolean
  readonly propertyNames?: Schema
  readonly dependentSchemas?: ReadonlyMap<string, Schema>
  readonly dependentRequired?: ReadonlyMap<string, readonly string[]>
  readonly unevaluatedProperties?: Schema

  readonly minItems?: number
  readonly maxItems?: number
  readonly uniqueItems?: boolean
  /** The items from the first on (`items` as a list, `prefixItems`), and all that follow. */
  readonly firstItems?: readonly Schema[]
  readonly items?: Schema
  readonly additionalItems?: Schema | boolean
  readonly contains?: Schema
  readonly minContains?: number
  readonly maxContains?: number
  readonly unevaluatedItems?: Schema

  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: Pattern

  readonly minimum?: Decimal
  readonly maximum?: Decimal
  readonly exclusiveMinimum?: Decimal
  readonly exclusiveMaximum?: Decimal
  readonly multipleOf?: Decimal
}

/** A schema is there before its keywords are: schemas refer to each other in circles. Compilation fills it. */
export class Schema {
  readonly location: string
  draft: Draft['version'] = 2020
  /** The schema with an `$id` that it is part of. */
  resource: Schema = this
  /** Of a resource: the schemas that `$dynamicRef` can lead to. */
  dynamicAnchors: ReadonlyMap<string, Schema> = new Map()
  /** A schema that is `true`, `false` or empty. */
  verdict: boolean | undefined
  keywords: Keywords = {}

  constructor(location: string) {
    this.location = location
  }
}
