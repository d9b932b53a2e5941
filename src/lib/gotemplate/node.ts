/** The parsed form of a template, and how its parts print in errors. Source: Go text/template/parse/node.go. */

import { quote } from './strconv.ts'
import type { Complex } from './value.ts'

interface At {
  /** Index of the node in the text, in UTF-16 units. */
  readonly pos: number
}

export interface TextNode extends At {
  readonly type: 'text'
  readonly text: string
}

export interface ActionNode extends At {
  readonly type: 'action'
  readonly pipe: PipeNode
}

export interface BranchNode extends At {
  readonly type: 'if' | 'range' | 'with'
  readonly pipe: PipeNode
  readonly list: ListNode
  readonly elseList: ListNode | undefined
}

export interface TemplateNode extends At {
  readonly type: 'template'
  readonly name: string
  readonly pipe: PipeNode | undefined
}

export interface JumpNode extends At {
  readonly type: 'break' | 'continue'
}

/** What stands in a template's body. */
export type BodyNode = TextNode | ActionNode | BranchNode | TemplateNode | JumpNode

export interface ListNode extends At {
  readonly type: 'list'
  readonly nodes: readonly BodyNode[]
}

export interface PipeNode extends At {
  readonly type: 'pipe'
  /** The variables are assigned (`=`), not declared. */
  readonly isAssignment: boolean
  readonly variables: readonly string[]
  readonly commands: readonly CommandNode[]
}

export interface CommandNode extends At {
  readonly type: 'command'
  /** The first one is what is called or evaluated; there is always one. */
  readonly operands: readonly [Operand, ...Operand[]]
}

export interface IdentifierNode extends At {
  readonly type: 'identifier'
  readonly name: string
}

/** `.a.b` */
export interface FieldNode extends At {
  readonly type: 'field'
  readonly names: readonly string[]
}

/** `$x.a.b` */
export interface VariableNode extends At {
  readonly type: 'variable'
  readonly name: string
  readonly names: readonly string[]
}

/** `(pipeline).a.b` or `function.a.b` */
export interface ChainNode extends At {
  readonly type: 'chain'
  readonly operand: PipeNode | IdentifierNode
  readonly names: readonly string[]
}

export interface BoolNode extends At {
  readonly type: 'bool'
  readonly value: boolean
}

/** A number as each of the kinds that can hold it (Go's ideal constants). */
export interface NumberNode extends At {
  readonly type: 'number'
  readonly text: string
  readonly int?: bigint
  readonly uint?: bigint
  readonly float?: number
  readonly complex?: Complex
}

export interface StringNode extends At {
  readonly type: 'string'
  /** As it stands in the template. */
  readonly quoted: string
  readonly text: string
}

export interface PlainNode extends At {
  readonly type: 'dot' | 'nil'
}

export type Operand =
  | BoolNode
  | ChainNode
  | FieldNode
  | IdentifierNode
  | NumberNode
  | PipeNode
  | PlainNode
  | StringNode
  | VariableNode

/** Anything that an error can point at. */
export type Node = BodyNode | ListNode | CommandNode | Operand

/** The node as errors show it: in Go's own spacing, not that of the template. */
export function printNode(node: Node): string {
  switch (node.type) {
    case 'text':
      return node.text
    case 'action':
      return `{{${printNode(node.pipe)}}}`
    case 'if':
    case 'range':
    case 'with':
      return printBranch(node)
    case 'template':
      return `{{template ${quote(node.name)}${node.pipe ? ` ${printNode(node.pipe)}` : ''}}}`
    case 'break':
    case 'continue':
      return `{{${node.type}}}`
    case 'list':
      return node.nodes.map(printNode).join('')
    case 'pipe':
      return printPipe(node)
    case 'command':
      return node.operands.map(printEnclosed).join(' ')
    default:
      return printOperand(node)
  }
}

function printOperand(node: Exclude<Operand, PipeNode>): string {
  switch (node.type) {
    case 'identifier':
      return node.name
    case 'field':
      return printFields(node.names)
    case 'variable':
      return `${node.name}${printFields(node.names)}`
    case 'chain':
      return `${printEnclosed(node.operand)}${printFields(node.names)}`
    case 'bool':
      return String(node.value)
    case 'number':
      return node.text
    case 'string':
      return node.quoted
    case 'dot':
      return '.'
    case 'nil':
      return 'nil'
  }
}

function printBranch({ type, pipe, list, elseList }: BranchNode): string {
  const rest = elseList ? `{{else}}${printNode(elseList)}` : ''
  return `{{${type} ${printNode(pipe)}}}${printNode(list)}${rest}{{end}}`
}

function printPipe({ variables, isAssignment, commands }: PipeNode): string {
  const target = variables.length > 0 ? `${variables.join(', ')} ${isAssignment ? '=' : ':='} ` : ''
  return `${target}${commands.map(printNode).join(' | ')}`
}

function printEnclosed(operand: Operand): string {
  return operand.type === 'pipe' ? `(${printPipe(operand)})` : printOperand(operand)
}

function printFields(names: readonly string[]): string {
  return names.map((name) => `.${name}`).join('')
}
