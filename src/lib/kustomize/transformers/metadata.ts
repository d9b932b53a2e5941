/** Labels and annotations. */

import { compareBytes, entrySetter } from '../fields.ts'
import { editFields, type FieldSpec } from '../fieldspec.ts'
import type { ResMap } from '../resmap.ts'

const MAP = { kind: 'map', tag: '!!map' } as const

/** Sets entries in all the mappings that the specs name; used for labels (selectors and templates too) and annotations. */
export function addEntries(resources: ResMap, entries: ReadonlyMap<string, string>, specs: readonly FieldSpec[]): void {
  if (entries.size === 0) return
  const keys = [...entries.keys()].sort(compareBytes)
  for (const { node } of resources.resources()) {
    if (!node) continue
    for (const key of keys) editFields(node, specs, { create: MAP, set: entrySetter(key, entries.get(key) ?? '', '!!str') })
  }
}
