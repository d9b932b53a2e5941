/** What a kind is: names, columns and schema, from which both the TypeScript types and the CRD come. */

export interface Kind {
  readonly group: string
  readonly version: string
  /** `<group>/<version>`. */
  readonly apiVersion: string
  readonly kind: string
  readonly plural: string
}
