/** Go's fmt: Sprintf, Sprint, Sprintln, and what text/template prints for an action. */

import { Budget } from './environment.ts'
import { formatFloat } from './format-float.ts'
import { Printer } from './format-printer.ts'
import { type Directive, plainDirective } from './format-scalar.ts'
import { rawByte } from './printable.ts'
import { quote } from './strconv.ts'
import { Int, Struct, typeOf, type Value } from './value.ts'

/** Formats as Go's fmt.Sprintf does. @throws LimitError when the budget is used up */
export function sprintf(format: string, args: readonly Value[], budget = new Budget()): string {
  const run = new FormatRun(format, args, new Printer(budget))
  return run.text()
}

/** Prints values with a space between two of which neither is a string. @throws LimitError. Source: Go fmt.Sprint. */
export function sprint(args: readonly Value[], budget?: Budget): string {
  if (args.length === 1) {
    const text = commonText(args[0] ?? null, 'v')
    if (text !== undefined) {
      budget?.text(text.length)
      return text
    }
  }
  const printer = new Printer(budget ?? new Budget())
  args.forEach((arg, index) => {
    if (index > 0 && typeof arg !== 'string' && typeof args[index - 1] !== 'string') printer.write(' ')
    printer.print(arg, 'v')
  })
  return printer.text
}

/** Prints values with spaces between them and a line end. @throws LimitError. Source: Go fmt.Sprintln. */
export function sprintln(args: readonly Value[], budget = new Budget()): string {
  const printer = new Printer(budget)
  args.forEach((arg, index) => {
    if (index > 0) printer.write(' ')
    printer.print(arg, 'v')
  })
  printer.write('\n')
  return printer.text
}

/** What an action prints: `<no value>` for nil and for what is missing. @throws LimitError. Source: text/template, printValue. */
export function printValue(value: Value | undefined, budget?: Budget): string {
  if (typeof value === 'string') return sprint([value], budget)
  const text = value instanceof Struct && value.type.kind !== 'ptr' && !value.type.text ? value.type.pointerText : undefined
  return sprint([text === undefined || value === undefined ? printable(value) : text(value)], budget)
}

/** An argument as html, js and urlquery print it: a pointer is followed. Source: text/template, printableValue. */
export function printable(value: Value | undefined): Value {
  if (value === null || value === undefined) return '<no value>'
  if (!(value instanceof Struct) || value.type.kind !== 'ptr' || value.fields === undefined) return value
  const { elem, text } = value.type
  // A pointer that alone has a text is kept for it.
  return elem === undefined || (text && !elem.text) ? value : new Struct(elem, value.fields)
}

/** The verbs that nearly all formats consist of, without flags; undefined where it takes more than this. */
function commonText(value: Value, verb: string): string | undefined {
  switch (typeof value) {
    case 'string':
      if (verb === 'q') return quote(value)
      return verb === 's' || verb === 'v' ? value : undefined
    case 'number':
      return verb === 'v' ? formatFloat(value, 'g') : undefined
    case 'boolean':
      return verb === 'v' || verb === 't' ? String(value) : undefined
  }
  const isNumber = value instanceof Int && (verb === 'd' || (verb === 'v' && value.type.text === undefined))
  return isNumber ? String(value.value) : undefined
}

/** Widths, precisions and argument numbers beyond this are refused. */
const largest = 1_000_000

/** One pass through a format. Source: Go fmt, (*pp).doPrintf. */
class FormatRun {
  readonly #format: string
  readonly #args: readonly Value[]
  readonly #printer: Printer
  #at = 0
  #argument = 0
  /** An explicit index was seen, so that arguments left over are no mistake. */
  #isReordered = false
  #isGoodIndex = true
  /** The last thing read was an index. */
  #isAfterIndex = false

  constructor(format: string, args: readonly Value[], printer: Printer) {
    this.#format = format
    this.#args = args
    this.#printer = printer
  }

  text(): string {
    while (this.#at < this.#format.length) {
      this.#literal()
      if (this.#at < this.#format.length) this.#placeholder()
    }
    if (!this.#isReordered && this.#argument < this.#args.length) this.#extra()
    return this.#printer.text
  }

  #literal(): void {
    const found = this.#format.indexOf('%', this.#at)
    const end = found < 0 ? this.#format.length : found
    this.#printer.write(this.#format.slice(this.#at, end))
    this.#at = end
  }

  #placeholder(): void {
    this.#at++
    if (this.#common()) return
    const directive = this.#directive()
    if (this.#at >= this.#format.length) this.#printer.write('%!(NOVERB)')
    else this.#verb(this.#take(), directive)
  }

  /** A verb alone, and a value of a simple type. */
  #common(): boolean {
    if (this.#argument >= this.#args.length) return false
    const text = commonText(this.#args[this.#argument] ?? null, this.#format[this.#at] ?? '')
    if (text === undefined) return false
    this.#printer.write(text)
    this.#argument++
    this.#at++
    return true
  }

  #directive(): Directive {
    this.#isGoodIndex = true
    const flags = this.#flags()
    this.#isAfterIndex = this.#index()
    const width = this.#width()
    const precision = this.#precision()
    if (!this.#isAfterIndex) this.#isAfterIndex = this.#index()
    const isFromRight = flags.includes('-') || (width ?? 0) < 0
    return {
      ...plainDirective,
      width: width === undefined ? undefined : Math.abs(width),
      precision,
      minus: isFromRight,
      plus: flags.includes('+'),
      sharp: flags.includes('#'),
      space: flags.includes(' '),
      zero: flags.includes('0') && (width ?? 0) >= 0,
    }
  }

  #flags(): string {
    const from = this.#at
    while ('#0+- '.includes(this.#format[this.#at] ?? 'none')) this.#at++
    return this.#format.slice(from, this.#at)
  }

  /** `[2]`: which argument comes next. */
  #index(): boolean {
    if (this.#format[this.#at] !== '[') return false
    this.#isReordered = true
    const end = this.#format.indexOf(']', this.#at)
    // Fewer than three characters are never an index, not even `[]`.
    const isClosed = end > 0 && this.#at + 2 < this.#format.length
    const text = isClosed ? this.#format.slice(this.#at + 1, end) : ''
    this.#at = isClosed ? end + 1 : this.#at + 1
    const number = parseNumber(text)
    const isNumber = number !== undefined && text !== '' && number.length === text.length
    if (isNumber && number.value >= 1 && number.value <= this.#args.length) {
      this.#argument = number.value - 1
      return true
    }
    this.#isGoodIndex = false
    return isNumber
  }

  /** Negative ones come from arguments alone. */
  #width(): number | undefined {
    if (this.#format[this.#at] === '*') return this.#fromArgument('%!(BADWIDTH)')
    const width = this.#number()
    if (this.#isAfterIndex && width !== undefined) this.#isGoodIndex = false
    return width
  }

  #precision(): number | undefined {
    if (this.#format[this.#at] !== '.' || this.#at + 1 >= this.#format.length) return undefined
    this.#at++
    if (this.#isAfterIndex) this.#isGoodIndex = false
    this.#isAfterIndex = this.#index()
    if (this.#format[this.#at] !== '*') return this.#number() ?? 0
    return this.#fromArgument('%!(BADPREC)', 0)
  }

  /** `*`: the next argument, which must be an integer that is not too large or too small. */
  #fromArgument(complaint: string, least = -largest): number | undefined {
    this.#at++
    this.#isAfterIndex = false
    if (this.#argument < this.#args.length) {
      const arg = this.#args[this.#argument++]
      if (arg instanceof Int && arg.value >= least && arg.value <= largest) return Number(arg.value)
    }
    this.#printer.write(complaint)
    return undefined
  }

  #number(): number | undefined {
    const number = parseNumber(this.#format, this.#at)
    if (number === undefined) this.#at = this.#format.length
    else if (number.length === 0) return undefined
    else this.#at += number.length
    return number?.value
  }

  #take(): string {
    const character = String.fromCodePoint(this.#format.codePointAt(this.#at) ?? 0)
    this.#at += character.length
    return rawByte(character) === undefined ? character : '\ufffd'
  }

  #verb(verb: string, directive: Directive): void {
    if (verb === '%') this.#printer.write('%')
    else if (!this.#isGoodIndex) this.#printer.write(`%!${verb}(BADINDEX)`)
    else if (this.#argument >= this.#args.length) this.#printer.write(`%!${verb}(MISSING)`)
    else this.#printer.print(this.#args[this.#argument++] ?? null, verb, forVerb(directive, verb))
  }

  #extra(): void {
    this.#printer.write('%!(EXTRA ')
    this.#args.slice(this.#argument).forEach((arg, index) => {
      if (index > 0) this.#printer.write(', ')
      if (arg !== null) this.#printer.write(`${typeOf(arg)?.name}=`)
      this.#printer.print(arg, 'v')
    })
    this.#printer.write(')')
  }
}

/** `%+v` and `%#v` are about the value as a whole: the numbers in it get no signs and prefixes. */
function forVerb(directive: Directive, verb: string): Directive {
  if (verb !== 'v' && verb !== 'w') return directive
  return { ...directive, plusV: directive.plus, plus: false, sharpV: directive.sharp, sharp: false }
}

/** The digits at a place, none being the number of length 0; undefined for a number that is far too large. */
function parseNumber(text: string, from = 0): { value: number; length: number } | undefined {
  let at = from
  let value = 0
  for (; /^\d$/.test(text[at] ?? ''); at++) {
    if (value > largest) return undefined
    value = value * 10 + Number(text[at])
  }
  return { value, length: at - from }
}
