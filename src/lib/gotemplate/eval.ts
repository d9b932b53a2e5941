/** Turns pipelines and what they are made of into functions that evaluate them. Source: Go text/template/exec.go, evalPipeline. */

import { builtins } from './builtin.ts'
import { type Argument, type CallSite, callBuiltin, callFunction, type Evaluate } from './call.ts'
import { type ConstantNode, idealConstant } from './constant.ts'
import { type FieldChain, followChain, isInterface } from './field.ts'
import type { Frame, Maybe } from './frame.ts'
import {
  type ChainNode,
  type CommandNode,
  type FieldNode,
  type IdentifierNode,
  type Operand,
  type PipeNode,
  printNode,
  type VariableNode,
} from './node.ts'
import { quote } from './strconv.ts'

/** Evaluates a command; `final` is the value of the pipeline's stage before, where there is one. */
type EvaluateCommand = (frame: Frame, dot: Maybe, final: Maybe) => Maybe

/** The value of a pipeline, whose variables are declared or assigned on the way. A nil in an interface becomes nothing. */
export function compilePipe(pipe: PipeNode): Evaluate {
  const commands = pipe.commands.map((command, stage) => compileCommand(command, stage > 0))
  const [first] = commands
  if (commands.length === 1 && first && pipe.variables.length === 0) {
    return (frame, dot) => {
      frame.node = pipe
      return first(frame, dot, undefined) ?? undefined
    }
  }
  return (frame, dot) => {
    frame.node = pipe
    let value: Maybe
    for (const command of commands) value = command(frame, dot, value) ?? undefined
    bind(frame, pipe, value)
    return value
  }
}

function bind(frame: Frame, { variables, isAssignment }: PipeNode, value: Maybe): void {
  for (const name of variables) {
    if (isAssignment) frame.assign(name, value)
    else frame.declare(name, value)
  }
}

function compileCommand({ operands, ...command }: CommandNode, hasFinal: boolean): EvaluateCommand {
  const [head, ...rest] = operands
  const site = {
    operands: rest.map(compileArgument),
    hasFinal,
    hasArguments: hasFinal || rest.length > 0,
  }
  switch (head.type) {
    case 'field':
      return compileField(head, { ...site, node: head })
    case 'chain':
      return compileChain(head, { ...site, node: head })
    case 'variable':
      return compileVariable(head, { ...site, node: head })
    case 'identifier':
      return compileCall(head, { ...site, node: { ...command, operands } })
    case 'pipe':
      return site.hasArguments ? (frame) => refuseArguments(frame, head) : compilePipe(head)
    default:
      return compileConstant(head, site.hasArguments)
  }
}

function refuseArguments(frame: Frame, operand: Operand): never {
  return frame.fail(`can't give argument to non-function ${printNode(operand)}`)
}

function compileConstant(node: ConstantNode, hasArguments: boolean): EvaluateCommand {
  return (frame, dot) => {
    frame.node = node
    if (hasArguments) refuseArguments(frame, node)
    if (node.type === 'nil') frame.fail('nil is not a command')
    return node.type === 'dot' ? dot : idealConstant(frame, node)
  }
}

function compileCall(head: IdentifierNode, site: CallSite): EvaluateCommand {
  const { name } = head
  const builtin = builtins.get(name)
  return (frame, dot, final) => {
    frame.node = head
    const fn = frame.execution.library.function(name)
    if (fn) return callFunction(frame, dot, name, site, fn, final)
    if (builtin) return callBuiltin(frame, dot, name, site, builtin, final)
    return frame.fail(`${quote(name)} is not a defined function`)
  }
}

function compileField(node: FieldNode, site: CallSite): EvaluateCommand {
  const chain: FieldChain = { names: node.names, site }
  return (frame, dot, final) => {
    frame.node = node
    return followChain(frame, dot, chain, dot, frame.isDotBoxed, final)
  }
}

function compileVariable(node: VariableNode, site: CallSite): EvaluateCommand {
  const { name, names } = node
  const chain: FieldChain = { names, site }
  return (frame, dot, final) => {
    frame.node = node
    const variable = frame.variable(name)
    if (names.length > 0) return followChain(frame, dot, chain, variable.value, variable.isBoxed, final)
    return site.hasArguments ? refuseArguments(frame, node) : variable.value
  }
}

function compileChain(node: ChainNode, site: CallSite): EvaluateCommand {
  const { operand, names } = node
  const chain: FieldChain = { names, site }
  const evaluate = operand.type === 'pipe' ? compilePipe(operand) : compileArgumentCall(operand)
  return (frame, dot, final) => {
    frame.node = node
    const start = evaluate(frame, dot)
    // A pipeline looks into interfaces, a bare function does not.
    const isBoxed = operand.type === 'identifier' && isInterface(frame.execution.library.function(operand.name)?.result)
    return followChain(frame, dot, chain, start, isBoxed, final)
  }
}

function compileArgument(node: Operand): Argument {
  switch (node.type) {
    case 'pipe':
      return { node, evaluate: compilePipe(node) }
    case 'identifier':
      return { node, evaluate: compileArgumentCall(node) }
    case 'field':
      return { node, evaluate: withoutFinal(compileField(node, { ...bare, node })) }
    case 'variable':
      return { node, evaluate: withoutFinal(compileVariable(node, { ...bare, node })) }
    case 'chain':
      return { node, evaluate: withoutFinal(compileChain(node, { ...bare, node })) }
    case 'dot':
      return { node, evaluate: (_frame, dot) => dot }
    default:
      return { node, evaluate: undefined }
  }
}

const bare = { operands: [], hasFinal: false, hasArguments: false } as const

function compileArgumentCall(node: IdentifierNode): Evaluate {
  return withoutFinal(compileCall(node, { ...bare, node }))
}

function withoutFinal(evaluate: EvaluateCommand): Evaluate {
  return (frame, dot) => evaluate(frame, dot, undefined)
}
