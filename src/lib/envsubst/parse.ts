/** Text → literal text and expansions. */
import { ParseError } from '../errors.ts'

/** `${name}`, or `${name<operator><arguments>}`. */
export interface Expansion {
  readonly name: string
  /** `''` for a bare reference, `'#'` without arguments for the length. */
  readonly operator: string
  readonly arguments: readonly Fragment[]
}

/** Literal text, or an expansion to fill in. */
export type Fragment = string | Expansion

/** Expansions within expansions; far more than anybody writes, far less than the stack holds. */
const deepest = 100

/** @throws ParseError with upstream's message and the line of the text. */
export function parse(text: string): readonly Fragment[] {
  return new Parser(text).document()
}

/** The grammar, one method per form. Each begins at `#position` and leaves it behind what it has read. */
class Parser {
  readonly #text: string
  #position = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
  }

  /** Text in which `$$` stands for `$`, and expansions. */
  document(): Fragment[] {
    const fragments: Fragment[] = []
    let literal = ''
    for (;;) {
      const dollar = this.#text.indexOf('$', this.#position)
      if (dollar < 0) return [...fragments, literal + this.#text.slice(this.#position)].filter((fragment) => fragment !== '')
      literal += this.#text.slice(this.#position, dollar)
      this.#position = dollar + 1
      const next = this.#peek()
      if (next === '{') {
        if (literal !== '') fragments.push(literal)
        literal = ''
        this.#position = dollar
        fragments.push(this.#expansion())
      } else {
        if (next === '$') this.#position++
        literal += '$'
      }
    }
  }

  #expansion(): Expansion {
    if (++this.#depth > deepest) throw this.#error(`expansions are nested deeper than ${deepest}`)
    this.#position += 2
    const expansion = this.#peek() === '#' ? this.#length() : this.#operation(this.#name('unable to parse variable name'))
    this.#depth--
    return expansion
  }

  #operation(name: string): Expansion {
    switch (this.#peek()) {
      case ':':
        return this.#colon(name)
      case '=':
        return this.#default(name, 1)
      case ',':
      case '^':
        return this.#casing(name)
      case '/':
        return this.#replacement(name)
      case '#':
      case '%':
        return this.#removal(name)
      default:
        return this.#closed({ name, operator: '', arguments: [] }, 'missing closing brace')
    }
  }

  /** `${#name}` */
  #length(): Expansion {
    this.#position++
    return this.#closed({ name: this.#name('bad substitution'), operator: '#', arguments: [] })
  }

  /** `${name:=word}`, `:-`, `:?`, `:+`, or `${name:offset}`. */
  #colon(name: string): Expansion {
    const next = this.#text[this.#position + 1] ?? ''
    if ('=-?+'.includes(next) && next !== '') return this.#default(name, 2)
    // Upstream's scanner steps back too far here; it is an error there as well.
    if (next === '' || next > '\u007f') throw this.#error('bad substitution')
    return this.#substring(name)
  }

  /** `${name=word}`: a word is any text and expansions up to the closing brace. */
  #default(name: string, operatorLength: number): Expansion {
    const operator = this.#take(operatorLength)
    const words: Fragment[] = []
    while (this.#peek() !== '}') words.push(this.#argument('}'))
    return this.#closed({ name, operator, arguments: words })
  }

  /** `${name:offset}` or `${name:offset:length}` */
  #substring(name: string): Expansion {
    const operator = this.#take(1)
    const offset = this.#argument(':}')
    if (this.#peek() !== ':') return this.#closed({ name, operator, arguments: [offset] })
    this.#skip(':')
    return this.#closed({ name, operator, arguments: [offset, this.#argument('}')] })
  }

  /** `${name,}`, `${name,,}`, `${name^}`, `${name^^}` */
  #casing(name: string): Expansion {
    const operator = this.#take(',^'.includes(this.#text[this.#position + 1] ?? ' ') ? 2 : 1)
    return this.#closed({ name, operator, arguments: [] })
  }

  /** `${name/text/replacement}`, `//`, `/#`, `/%`; within both, `$$`, `\/` and `\\` stand for one character. */
  #replacement(name: string): Expansion {
    const operator = this.#take('/#%'.includes(this.#text[this.#position + 1] ?? ' ') ? 2 : 1)
    const text = this.#argument('/', { escapes: true })
    if (this.#peek() !== '/') throw this.#error('bad substitution')
    this.#skip('/')
    if (this.#peek() === '}') return this.#closed({ name, operator, arguments: [text] })
    return this.#closed({ name, operator, arguments: [text, this.#argument('}', { escapes: true })] })
  }

  /** `${name#pattern}`, `##`, `%`, `%%` */
  #removal(name: string): Expansion {
    const operator = this.#take(this.#text[this.#position + 1] === this.#peek() ? 2 : 1)
    return this.#closed({ name, operator, arguments: [this.#argument('}')] })
  }

  /** One expansion, or the text up to one of `stops`, an expansion or the end; at least one character. */
  #argument(stops: string, { escapes = false } = {}): Fragment {
    if (this.#startsExpansion()) return this.#expansion()
    let text = ''
    for (;;) {
      const character = this.#peek()
      if (character === undefined || this.#startsExpansion()) break
      const next = this.#text[this.#position + 1]
      if (escapes && ((character === '$' && next === '$') || (character === '\\' && (next === '/' || next === '\\')))) {
        this.#position++
      } else if (stops.includes(character)) {
        break
      }
      text += this.#take(1)
    }
    if (text === '') throw this.#error('unable to parse substitution within function')
    return text
  }

  #name(otherwise: string): string {
    const pattern = /[\p{L}\p{Nd}_]+/uy
    pattern.lastIndex = this.#position
    const name = pattern.exec(this.#text)?.[0]
    if (name === undefined) throw this.#error(otherwise)
    this.#position += name.length
    return name
  }

  #closed(expansion: Expansion, otherwise = 'bad substitution'): Expansion {
    if (this.#peek() !== '}') throw this.#error(otherwise)
    this.#position++
    return expansion
  }

  #startsExpansion(): boolean {
    return this.#peek() === '$' && this.#text[this.#position + 1] === '{'
  }

  #peek(): string | undefined {
    return this.#text[this.#position]
  }

  #take(length: number): string {
    this.#position += length
    return this.#text.slice(this.#position - length, this.#position)
  }

  #skip(character: string): void {
    while (this.#peek() === character) this.#position++
  }

  #error(message: string): ParseError {
    const before = this.#text.slice(0, this.#position)
    return new ParseError(message, { line: before.split('\n').length, column: before.length - before.lastIndexOf('\n') })
  }
}
