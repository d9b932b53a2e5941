/** What a kind is: names, columns and schema, from which both the TypeScript types and the CRD come. */
import type { Schema } from './schema.ts'

/** The names that requests need. */
export interface Kind {
  readonly group: string
  readonly version: string
  /** `<group>/<version>`. */
  readonly apiVersion: string
  readonly kind: string
  readonly plural: string
}

/** A column of `kubectl get`. */
export interface PrinterColumn {
  readonly name: string
  readonly type: 'string' | 'date' | 'integer' | 'boolean'
  readonly jsonPath: string
  /** Above 0: only shown by `-o wide`. */
  readonly priority?: number
}

/** One kind in full. */
export interface KindDefinition<Spec extends object = object, Status extends object = object> extends Kind {
  readonly singular: string
  readonly listKind: string
  readonly shortNames: readonly string[]
  readonly categories: readonly string[]
  readonly columns: readonly PrinterColumn[]
  readonly description: string
  readonly spec: Schema<Spec>
  /** Absent: the kind has no status. */
  readonly status?: Schema<Status>
}

type Derived = 'apiVersion' | 'singular' | 'listKind'

/** Completes a definition with the names that follow from others. */
export function defineKind<Spec extends object, Status extends object>(
  definition: Omit<KindDefinition<Spec, Status>, Derived>,
): KindDefinition<Spec, Status> {
  const { group, version, kind } = definition
  return { ...definition, apiVersion: `${group}/${version}`, singular: kind.toLowerCase(), listKind: `${kind}List` }
}

export const ageColumn: PrinterColumn = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' }

/** Whether the object is Ready, and the message that goes with it. */
export const readyColumns: readonly PrinterColumn[] = [
  { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
  { name: 'Status', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].message' },
]
