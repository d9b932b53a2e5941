/** Literals as values of the type that is wanted of them. Source: Go text/template/exec.go, evalArg and idealConstant. */

import type { Frame, Maybe } from './frame.ts'
import { type BoolNode, type NumberNode, type PlainNode, printNode, type StringNode } from './node.ts'
import { canBeNil, isIntegerKind, isSignedKind, wrapped, zeroOf } from './types.ts'
import { type GoType, Int, types, type Value } from './value.ts'

export type ConstantNode = BoolNode | NumberNode | StringNode | PlainNode

/** A literal where nothing says which type is wanted: its syntax decides. Undefined for nil. */
export function idealConstant(frame: Frame, node: ConstantNode): Maybe {
  switch (node.type) {
    case 'bool':
      return node.value
    case 'string':
      return node.text
    case 'number':
      return idealNumber(frame, node)
    default:
      return undefined
  }
}

function idealNumber(frame: Frame, { text, complex, float, int }: NumberNode): Value {
  if (complex) return complex
  if (float !== undefined && looksLikeFloat(text)) return float
  if (int === undefined) return frame.fail(`${text} overflows int`)
  return new Int(types.int, int)
}

/** Go looks at the text alone, so that `-0x1e` is a float. */
function looksLikeFloat(text: string): boolean {
  const isHexInteger = text.length > 2 && /^0[xX]/.test(text) && !/[pP]/.test(text)
  return !isHexInteger && !text.startsWith("'") && /[.eEpP]/.test(text)
}

/** A literal as an argument of that type. */
export function typedConstant(frame: Frame, node: ConstantNode, type: GoType): Value {
  if (node.type === 'nil') return canBeNil(type) ? zeroOf(type) : frame.fail(`cannot assign nil to ${type.name}`)
  if (type.kind === 'interface' && !type.methods?.size) return idealConstant(frame, node) ?? null
  const [name, value] = constantOfKind(node, type)
  if (name === undefined) return frame.fail(`can't handle ${printNode(node)} for arg of type ${type.name}`)
  if (value === undefined) return frame.fail(`expected ${name}; found ${printNode(node)}`)
  return value
}

/** What Go calls the kind, and the literal as one if it can be one. */
function constantOfKind(node: ConstantNode, type: GoType): [name?: string, value?: Value | undefined] {
  const number = node.type === 'number' ? node : undefined
  if (isIntegerKind(type.kind)) {
    const value = isSignedKind(type.kind) ? number?.int : number?.uint
    return [isSignedKind(type.kind) ? 'integer' : 'unsigned integer', value === undefined ? undefined : wrapped(type, value)]
  }
  switch (type.kind) {
    case 'bool':
      return ['bool', node.type === 'bool' ? node.value : undefined]
    case 'string':
      return ['string', node.type === 'string' ? node.text : undefined]
    case 'float32':
    case 'float64':
      return ['float', number?.float]
    case 'complex128':
      return ['complex', number?.complex]
    default:
      return []
  }
}
