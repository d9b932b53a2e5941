/** The states in which TOML is read, but for those of single values. Source: BurntSushi/toml lex.go, whose lines in errors these are. */

import { end, finishValue, type ItemKind, isDigit, isNewline, isSpace, Lexer, quoted, type State, skip } from './toml-lexer.ts'
import {
  acceptSpecialFloat,
  bool,
  multiline,
  numberState,
  rawMultiline,
  rawString,
  signedNumber,
  string,
  stringStart,
} from './toml-scalars.ts'

/** Cuts a text into items. */
export function lexToml(text: string): Lexer {
  return new Lexer(text, top)
}

function top(lexer: Lexer): State | undefined {
  const character = lexer.next()
  if (isSpace(character) || isNewline(character)) return skip(lexer, top)
  if (character === '#') return comment(lexer, top)
  if (character === '[') return tableStart
  if (character === end) return finish(lexer)
  lexer.backup()
  lexer.push(topEnd)
  return keyStart
}

function finish(lexer: Lexer): undefined {
  lexer.emit('eof')
}

/** After a pair or a header: only a comment may follow on the line. */
function topEnd(lexer: Lexer): State | undefined {
  const character = lexer.next()
  if (character === '#') return comment(lexer, top)
  if (isSpace(character)) return topEnd
  if (isNewline(character)) return skip(lexer, top)
  if (character === end) return finish(lexer)
  throw lexer.fail(`expected a top-level item to end with a newline, comment, or EOF, but got ${quoted(character)} instead`)
}

/** Skips a comment up to its newline. */
function comment(lexer: Lexer, next: State): State {
  for (;;) {
    const character = lexer.next()
    if (!isNewline(character) && character !== end) continue
    lexer.backup()
    return skip(lexer, next)
  }
}

function tableStart(lexer: Lexer): State {
  if (lexer.peek() === '[') {
    lexer.next()
    lexer.emit('tables')
    lexer.push(tablesEnd)
  } else {
    lexer.emit('table')
    lexer.push(tableEnd)
  }
  return tableName
}

function tableEnd(lexer: Lexer): State {
  lexer.emit('tableEnd')
  return topEnd
}

function tablesEnd(lexer: Lexer): State {
  const character = lexer.next()
  if (character !== ']') throw lexer.fail(`expected end of table array name delimiter ']', but got ${quoted(character)} instead`)
  lexer.emit('tablesEnd')
  return topEnd
}

function tableName(lexer: Lexer): State {
  lexer.skipSpaces()
  const character = lexer.peek()
  if (character === ']' || character === end) throw lexer.fail('unexpected end of table name (table names cannot be empty)')
  if (character === '.') throw lexer.fail('unexpected table separator (table names cannot be empty)')
  lexer.push(tableNameEnd)
  return nameState(character)
}

function tableNameEnd(lexer: Lexer): State | undefined {
  lexer.skipSpaces()
  const character = lexer.next()
  if (character === '.') return skip(lexer, tableName)
  if (character === ']') return lexer.pop()
  throw lexer.fail(`expected '.' or ']' to end table name, but got ${quoted(character)} instead`)
}

function nameState(first: string): State {
  if (first === '"') return quotedName
  return first === "'" ? rawName : bareName
}

function bareName(lexer: Lexer): State | undefined {
  lexer.run(/[A-Za-z0-9_-]*/y)
  lexer.peek()
  lexer.emit('name')
  return lexer.pop()
}

function quotedName(lexer: Lexer): State {
  lexer.next()
  return skip(lexer, string)
}

function rawName(lexer: Lexer): State {
  lexer.next()
  return skip(lexer, rawString)
}

function keyStart(lexer: Lexer): State {
  lexer.skipSpaces()
  const character = lexer.peek()
  if (character === '=' || character === end) throw lexer.fail("unexpected '=': key name appears blank")
  if (character === '.') throw lexer.fail("unexpected '.': keys cannot start with a '.'")
  lexer.emit('key')
  return keyName
}

function keyName(lexer: Lexer): State {
  lexer.skipSpaces()
  const character = lexer.peek()
  if (character === '=' || character === end) throw lexer.fail("unexpected '='")
  if (character === '.') throw lexer.fail("unexpected '.'")
  lexer.push(keyEnd)
  return nameState(character)
}

function keyEnd(lexer: Lexer): State {
  lexer.skipSpaces()
  const character = lexer.next()
  if (character === end) throw lexer.fail("unexpected EOF; expected key separator '='")
  if (character === '.') return skip(lexer, keyName)
  if (character === '=') {
    lexer.emit('keyEnd')
    return value
  }
  const message = `expected '.' or '=', but got ${quoted(character)} instead`
  throw character === '\n' ? lexer.failOnLineBefore(message) : lexer.fail(message)
}

function value(lexer: Lexer): State | undefined {
  const character = lexer.next()
  if (isSpace(character)) return skip(lexer, value)
  if (isDigit(character)) return numberState(character)
  const state = valueStates.get(character)
  if (state) return state(lexer)
  if ((character === 'i' || character === 'n') && acceptSpecialFloat(lexer)) return finishValue(lexer, 'float')
  if (/^\p{L}$/u.test(character)) {
    lexer.backup()
    return bool
  }
  if (character === end) throw lexer.fail('unexpected EOF; expected value')
  const message = `expected value but found ${quoted(character)} instead`
  throw character === '\n' ? lexer.failOnLineBefore(message) : lexer.fail(message)
}

const valueStates: ReadonlyMap<string, State> = new Map<string, State>([
  ['[', (lexer) => opening(lexer, 'array', arrayValue)],
  ['{', (lexer) => opening(lexer, 'inlineTable', inlineTableValue)],
  ['"', (lexer) => stringStart(lexer, '"', string, multiline)],
  ["'", (lexer) => stringStart(lexer, "'", rawString, rawMultiline)],
  ['-', () => signedNumber],
  ['+', () => signedNumber],
  [
    '.',
    (lexer) => {
      throw lexer.fail("floats must start with a digit, not '.'")
    },
  ],
])

function opening(lexer: Lexer, kind: ItemKind, inside: State): State {
  lexer.ignore()
  lexer.emit(kind)
  return inside
}

function arrayValue(lexer: Lexer): State | undefined {
  const character = lexer.next()
  if (isSpace(character) || isNewline(character)) return skip(lexer, arrayValue)
  if (character === '#') return comment(lexer, arrayValue)
  if (character === ',') throw lexer.fail('unexpected comma')
  if (character === ']') return closing(lexer, 'arrayEnd')
  lexer.backup()
  lexer.push(arrayValueEnd)
  return value
}

function arrayValueEnd(lexer: Lexer): State | undefined {
  const character = lexer.next()
  if (isSpace(character) || isNewline(character)) return skip(lexer, arrayValueEnd)
  if (character === '#') return comment(lexer, arrayValueEnd)
  if (character === ',') return skip(lexer, arrayValue)
  if (character === ']') return closing(lexer, 'arrayEnd')
  throw lexer.fail(`expected a comma (',') or array terminator (']'), but got ${named(character)}`)
}

function inlineTableValue(lexer: Lexer): State | undefined {
  const character = lexer.next()
  if (isSpace(character) || isNewline(character)) return skip(lexer, inlineTableValue)
  if (character === '#') return comment(lexer, inlineTableValue)
  if (character === ',') throw lexer.fail('unexpected comma')
  if (character === '}') return closing(lexer, 'inlineTableEnd')
  lexer.backup()
  lexer.push(inlineTableValueEnd)
  return keyStart
}

function inlineTableValueEnd(lexer: Lexer): State | undefined {
  const character = lexer.next()
  if (isSpace(character) || isNewline(character)) return skip(lexer, inlineTableValueEnd)
  if (character === '#') return comment(lexer, inlineTableValueEnd)
  if (character === ',') {
    lexer.ignore()
    lexer.skipSpaces()
    return lexer.peek() === '}' ? inlineTableValueEnd : inlineTableValue
  }
  if (character === '}') return closing(lexer, 'inlineTableEnd')
  throw lexer.fail(`expected a comma or an inline table terminator '}', but got ${named(character)} instead`)
}

function named(character: string): string {
  return character === end ? 'end of file' : `'${character}'`
}

function closing(lexer: Lexer, kind: ItemKind): State | undefined {
  lexer.ignore()
  return finishValue(lexer, kind)
}
