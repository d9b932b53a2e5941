/** Words of identifiers: camelCase to snake_case and back. Source: huandu/xstrings. */

import { isLetter, isNumber, isPunct, isUpper, lowerRune, upperRune } from './letters.ts'
import { isSpace, runes, validText } from './text.ts'

/** `http_server` becomes `HttpServer`. Source: xstrings.ToPascalCase. */
export function camelCase(text: string): string {
  const all = runes(validText(text))
  const start = all.findIndex((rune) => !isConnector(rune))
  // Upstream writes the last connector twice when there is nothing else.
  if (start < 0) return all.join('') + (all.at(-1) ?? '')
  let done = all.slice(0, start).join('')
  let afterUpper = isUpper(all[start] ?? '')
  let last = upperRune(all[start] ?? '')
  for (let rune of all.slice(start + 1)) {
    if (isConnector(last)) {
      if (isConnector(rune)) done += last
      else {
        afterUpper = isUpper(rune)
        rune = upperRune(rune)
      }
    } else {
      if (afterUpper && isUpper(rune)) rune = lowerRune(rune)
      else afterUpper = false
      done += last
    }
    last = rune
  }
  return done + last
}

/** `HTTPServer` becomes `http_server`. Source: xstrings.ToSnakeCase. */
export function snakeCase(text: string): string {
  return separated(text, '_')
}

/** `HTTPServer` becomes `http-server`. Source: xstrings.ToKebabCase. */
export function kebabCase(text: string): string {
  return separated(text, '-')
}

type WordKind = 'number' | 'upper' | 'letters' | 'connector' | 'punctuation' | 'other' | 'invalid'

interface Word {
  readonly kind: WordKind
  readonly text: string
}

const end: Word = { kind: 'invalid', text: '' }

/** Words one after another; `invalid` is a run that is not UTF-8, or the end. */
class Words {
  readonly #runes: readonly string[]
  #at = 0
  constructor(text: string) {
    this.#runes = runes(text)
  }

  get isDone(): boolean {
    return this.#at >= this.#runes.length
  }

  next(): Word {
    if (this.isDone) return end
    const start = this.#at
    const kind = this.#read()
    return { kind, text: this.#runes.slice(start, this.#at).join('') }
  }

  /** The next valid rune and the index after it; `previous` when there is none any more. */
  #peek(previous: string): { rune: string; after: number } {
    for (let at = this.#at; at < this.#runes.length; at++) {
      const rune = this.#runes[at] ?? ''
      if (rune !== '\ufffd' && rune.isWellFormed()) return { rune, after: at + 1 }
    }
    return { rune: previous, after: this.#runes.length }
  }

  #read(): WordKind {
    const { rune, after } = this.#peek('')
    this.#at = after
    if (rune === '') return 'invalid'
    if (isConnector(rune)) return this.#while('connector', rune, isConnector)
    if (isPunct(rune)) return this.#while('punctuation', rune, isPunct)
    if (isUpper(rune)) return this.#readUpper(rune)
    if (isAlphabet(rune)) return this.#while('letters', rune, isLowerAlphabet)
    if (isNumber(rune)) return this.#while('number', rune, isNumber)
    return this.#while('other', rune, isOther)
  }

  #while(kind: WordKind, first: string, belongs: (rune: string) => boolean): WordKind {
    let previous = first
    while (!this.isDone) {
      const { rune, after } = this.#peek(previous)
      if (!belongs(rune)) break
      previous = rune
      this.#at = after
    }
    return kind
  }

  /** `HTTPStatus` is `HTTP` and `Status`: of several upper case letters the last may belong to the next word. */
  #readUpper(first: string): WordKind {
    if (this.isDone) return 'upper'
    const second = this.#peek(first)
    if (!isUpper(second.rune)) {
      if (!isAlphabet(second.rune)) return 'upper'
      this.#at = second.after
      return this.#while('upper', second.rune, isLowerAlphabet)
    }
    let before = this.#at
    let rune = first
    while (!this.isDone) {
      const next = this.#peek(rune)
      rune = next.rune
      if (!isUpper(rune)) break
      before = this.#at
      this.#at = next.after
    }
    if (!this.isDone && isAlphabet(rune)) this.#at = before
    return 'upper'
  }
}

function separated(text: string, connector: string): string {
  const words = new Words(text)
  let out = ''
  const write = ({ kind, text: word }: Word) => {
    out += kind === 'upper' || kind === 'connector' ? lowered(word, connector) : word
  }
  /** Writes letters and numbers that follow each other; the word after them. */
  const writeRun = (first: Word): Word => {
    let word = first
    while (word.kind === 'letters' || word.kind === 'number') {
      write(word)
      word = words.next()
    }
    return word
  }
  let word = words.next()
  while (!words.isDone) {
    const previous = word
    if (previous.kind !== 'connector') write(previous)
    word = words.next()
    if (previous.kind === 'number') {
      word = writeRun(word)
      if (word.kind !== 'invalid' && !isBoundary(word)) out += connector
    } else if (previous.kind === 'connector') write(previous)
    else if (previous.kind === 'punctuation') continue
    else if (word.kind !== 'number') {
      if (!isBoundary(word)) out += connector
    } else if (!words.isDone) {
      const number = word
      word = words.next()
      if (word.kind !== 'letters') {
        // A number belongs to the word before it: `Bld4Floor` is bld4_floor.
        write(number)
        if (!isBoundary(word)) out += connector
      } else {
        // Unless small letters follow: `HTTP2xx` is http_2xx.
        out += connector
        write(number)
        word = writeRun(word)
        if (word.kind !== 'invalid' && !isBoundary(word)) out += connector
      }
    }
  }
  write(word)
  return out
}

function isBoundary({ kind }: Word): boolean {
  return kind === 'connector' || kind === 'punctuation'
}

function lowered(word: string, connector: string): string {
  return runes(validText(word))
    .map((rune) => (isConnector(rune) ? connector : isUpper(rune) ? lowerRune(rune) : rune))
    .join('')
}

function isConnector(rune: string): boolean {
  return rune === '-' || rune === '_' || isSpace(rune)
}

/** A letter that is not one of the common Chinese, Japanese or Korean ideographs. */
function isAlphabet(rune: string): boolean {
  return isLetter(rune) && !/[\u4e00-\u9fcc\u3400-\u4d85\u{20000}-\u{2b81d}]/u.test(rune)
}

function isLowerAlphabet(rune: string): boolean {
  return isAlphabet(rune) && !isUpper(rune)
}

function isOther(rune: string): boolean {
  return !isConnector(rune) && !isAlphabet(rune) && !isNumber(rune) && !isPunct(rune)
}
