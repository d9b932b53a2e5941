/** What schemas ask of texts and numbers. */

import { runeCount } from '../../gotemplate/printable.ts'
import type { Int } from '../../gotemplate/value.ts'
import { compareDecimals, type Decimal, decimalNumber, decimalOf, isMultiple, type Literal, numberText } from './document.ts'
import { count, localized, quoted } from './failure.ts'
import type { Visit } from './validate.ts'

export function checkText(visit: Visit, text: string): void {
  const { minLength, maxLength, pattern } = visit.keywords
  const length = minLength === undefined && maxLength === undefined ? 0 : runeCount(text)
  if (minLength !== undefined && length < minLength) visit.fail(() => `minLength: got ${count(length)}, want ${count(minLength)}`)
  if (maxLength !== undefined && length > maxLength) visit.fail(() => `maxLength: got ${count(length)}, want ${count(maxLength)}`)
  if (pattern && !pattern.test(text)) visit.fail(() => `${quoted(text)} does not match pattern ${quoted(pattern.source)}`)
}

type Bound = 'minimum' | 'maximum' | 'exclusiveMinimum' | 'exclusiveMaximum' | 'multipleOf'

const breaks: readonly (readonly [Bound, (value: Decimal, bound: Decimal) => boolean])[] = [
  ['minimum', (value, bound) => compareDecimals(value, bound) < 0],
  ['maximum', (value, bound) => compareDecimals(value, bound) > 0],
  ['exclusiveMinimum', (value, bound) => compareDecimals(value, bound) <= 0],
  ['exclusiveMaximum', (value, bound) => compareDecimals(value, bound) >= 0],
  ['multipleOf', (value, bound) => !isMultiple(value, bound)],
]

export function checkNumber(visit: Visit, given: Literal | Int | number): void {
  const value = decimalOf(numberText(given))
  for (const [keyword, isBroken] of breaks) {
    const bound = visit.keywords[keyword]
    if (!bound || !isBroken(value, bound)) continue
    visit.fail(() => `${keyword}: got ${localized(decimalNumber(value))}, want ${localized(decimalNumber(bound))}`)
  }
}
