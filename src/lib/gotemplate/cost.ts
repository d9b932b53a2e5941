/** What it costs to copy a value or to spell it out. */

import type { Budget } from './environment.ts'
import { isList, Slice, Struct, type Value } from './value.ts'

/** About what an item takes in memory, in a copy or as text with its indentation. */
const ITEM_BYTES = 64

/**
 * Charges for every item in a value as often as it is there: dicts and lists that share their parts stand for more than they hold, and one
 * that holds itself never ends.
 * @throws LimitError
 */
export function chargeItems(value: Value, budget: Budget): void {
  const open: Value[] = [value]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const items = itemsIn(next)
    if (!items) continue
    for (const item of items) {
      budget.text(ITEM_BYTES)
      if (typeof item === 'object' && item !== null) open.push(item)
    }
  }
}

function itemsIn(value: Value): Iterable<Value> | undefined {
  if (isList(value)) return value
  if (value instanceof Map) return value.values()
  if (value instanceof Slice) return value.items
  return value instanceof Struct ? value.fields?.values() : undefined
}
