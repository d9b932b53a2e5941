/** What schemas ask of arrays. */

import { canonicalText, type Doc } from './document.ts'
import { count, type Failure } from './failure.ts'
import type { Visit } from './validate.ts'

export function checkArray(visit: Visit, array: readonly Doc[]): void {
  checkLength(visit, array)
  if (visit.keywords.uniqueItems) checkUnique(visit, array)
  checkItems(visit, array)
  checkContains(visit, array)
}

function checkLength(visit: Visit, { length }: readonly Doc[]): void {
  const { minItems, maxItems } = visit.keywords
  if (minItems !== undefined && length < minItems) visit.fail(() => `minItems: got ${count(length)}, want ${count(minItems)}`)
  if (maxItems !== undefined && length > maxItems) visit.fail(() => `maxItems: got ${count(length)}, want ${count(maxItems)}`)
}

function checkUnique(visit: Visit, array: readonly Doc[]): void {
  const known = new Map<string, number>()
  for (const [index, item] of array.entries()) {
    const text = canonicalText(item, () => visit.spend(1))
    const first = known.get(text)
    if (first !== undefined) {
      visit.fail(() => `items at ${count(first)} and ${count(index)} are equal`)
      return
    }
    known.set(text, index)
  }
}

function checkItems(visit: Visit, array: readonly Doc[]): void {
  const { firstItems = [], items, additionalItems } = visit.keywords
  const rest = items ?? additionalItems
  for (const [index, item] of array.entries()) {
    const schema = firstItems[index] ?? (typeof rest === 'object' ? rest : undefined)
    if (schema) visit.add(visit.inner(schema, item, String(index)))
  }
  const additional = array.length - firstItems.length
  if (rest === false && additional > 0) visit.fail(() => `last ${count(additional)} additionalItem(s) not allowed`)
}

function checkContains(visit: Visit, array: readonly Doc[]): void {
  const { contains, minContains, maxContains } = visit.keywords
  if (!contains) return
  const failures: Failure[] = []
  const matched: number[] = []
  for (const [index, item] of array.entries()) {
    const failure = visit.inner(contains, item, String(index))
    if (failure) failures.push(failure)
    else {
      matched.push(index)
      if (visit.schema.draft >= 2020) visit.unevaluated.items?.delete(index)
    }
  }
  const found = () => `matched ${count(matched.length)} items at ${matched.join(' ')}`
  if (minContains !== undefined && matched.length < minContains) {
    const got = () => (matched.length === 0 ? 'but none matched' : `but ${found()}`)
    visit.fail(() => `min ${count(minContains)} items required to match contains schema, ${got()}`, failures)
  }
  if (minContains === undefined && matched.length === 0) visit.fail(() => 'no items match contains schema', failures)
  if (maxContains !== undefined && matched.length > maxContains) {
    visit.fail(() => `max ${count(maxContains)} items required to match contains schema, but ${found()}`)
  }
}
