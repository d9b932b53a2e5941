/** Number and character literals of templates. Source: Go text/template/parse/node.go, newNumber. */

import { FuncError } from './func.ts'
import type { Token } from './lex.ts'
import type { NumberNode } from './node.ts'
import * as strconv from './strconv.ts'
import { Complex } from './value.ts'

/** @throws FuncError saying why the text is no number. */
export function parseNumber({ kind, pos, text }: Token): NumberNode {
  const node = { type: 'number', pos, text } as const
  if (kind === 'charConstant') return { ...node, ...character(text) }
  if (kind === 'complex') return { ...node, ...complexPair(text) }
  const imaginary = text.endsWith('i') ? attempt(() => strconv.parseFloat(text.slice(0, -1))) : undefined
  if (imaginary !== undefined) return { ...node, ...complex(0, imaginary) }
  return { ...node, ...real(text) }
}

/** By far the most usual: no failure needs to say what it is not. */
const plainInteger = /^(?:0|[1-9]\d{0,14})$/

type Kinds = Pick<NumberNode, 'int' | 'uint' | 'float' | 'complex'>

function character(text: string): Kinds {
  const { character, length } = strconv.unquoteCharacter(text.slice(1), "'")
  if (text.slice(1 + length) !== "'") throw new FuncError(`malformed character constant: ${text}`)
  const code = character.codePointAt(0) ?? 0
  // An escaped byte: its number is the constant.
  const rune = code >= 0xdc80 && code <= 0xdcff ? code - 0xdc00 : code
  return { int: BigInt(rune), uint: BigInt(rune), float: rune }
}

/** `1+2i`: the sign in the middle is the last one that belongs to no exponent. */
function complexPair(text: string): Kinds {
  const split = /^(.+?(?<![eEpP]))([+-].+)i$/.exec(text)
  const [, realPart = 'i', imaginary = ''] = split ?? []
  if (realPart.endsWith('i') || !/\d/.test(imaginary)) throw new FuncError('syntax error scanning complex number')
  return complex(strconv.parseFloat(realPart), strconv.parseFloat(imaginary))
}

function complex(realPart: number, imaginary: number): Kinds {
  const value = { complex: new Complex(realPart, imaginary) }
  return imaginary === 0 ? { ...value, float: realPart, ...integersOf(realPart) } : value
}

function real(text: string): Kinds {
  if (plainInteger.test(text)) return { int: BigInt(text), uint: BigInt(text), float: Number(text) }
  const int = attempt(() => strconv.parseInt(text, 0, 64))
  const uint = attempt(() => strconv.parseUint(text, 0, 64)) ?? (int === 0n ? 0n : undefined)
  const integer = int ?? uint
  if (integer !== undefined) {
    return { ...(int === undefined ? {} : { int }), ...(uint === undefined ? {} : { uint }), float: Number(integer) }
  }
  const float = attempt(() => strconv.parseFloat(text))
  if (float === undefined) throw new FuncError(`illegal number syntax: ${strconv.quote(text)}`)
  if (!/[.eEpP]/.test(text)) throw new FuncError(`integer overflow: ${strconv.quote(text)}`)
  return { float, ...integersOf(float) }
}

/** The float as the integers that equal it. */
function integersOf(float: number): Pick<NumberNode, 'int' | 'uint'> {
  if (!Number.isInteger(float)) return {}
  const integer = BigInt(float)
  return {
    ...(BigInt.asIntN(64, integer) === integer ? { int: integer } : {}),
    ...(BigInt.asUintN(64, integer) === integer ? { uint: integer } : {}),
  }
}

function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse()
  } catch (error) {
    if (error instanceof strconv.NumError) return undefined
    throw error
  }
}
