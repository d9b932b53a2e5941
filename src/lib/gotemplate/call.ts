/** Calls of functions and methods with checked arguments. Source: Go text/template/exec.go, evalCall and validateType. */

import type { Builtin } from './builtin.ts'
import { type ConstantNode, idealConstant, typedConstant } from './constant.ts'
import type { Frame, Maybe } from './frame.ts'
import { type Func, FuncError } from './func.ts'
import { type Node, printNode } from './node.ts'
import { TemplateError } from './template-error.ts'
import { isTrue } from './truth.ts'
import { canBeNil, isAssignable, zeroOf } from './types.ts'
import { type GoType, Struct, typeOf, types, type Value } from './value.ts'

/** Evaluates a part of an action. */
export type Evaluate = (frame: Frame, dot: Maybe) => Maybe

/** An argument: what it takes to evaluate it, or a literal. */
export type Argument =
  | { readonly node: Node; readonly evaluate: Evaluate }
  | { readonly node: ConstantNode; readonly evaluate: undefined }

/** Where and with what a function is called. */
export interface CallSite {
  /** What an error of the function points at. */
  readonly node: Node
  readonly operands: readonly Argument[]
  /** The value of the pipeline's stage before is the last argument. */
  readonly hasFinal: boolean
  /** There are operands or a final value. */
  readonly hasArguments: boolean
}

/** @param final the last argument where the site has one. */
export function callFunction(frame: Frame, dot: Maybe, name: string, site: CallSite, fn: Func, final: Maybe): Maybe {
  const { operands, hasFinal } = site
  const { params, isVariadic } = fn
  const fixed = isVariadic ? params.length - 1 : params.length
  checkCount(frame, name, site, fixed, isVariadic)
  if (fn.unusable !== undefined) frame.fail(fn.unusable)
  const count = operands.length
  const args: Value[] = []
  for (let at = 0; at < count; at++) {
    const operand = operands[at]
    const type = params[at < fixed ? at : fixed] ?? types.any
    if (!operand) break
    frame.node = operand.node
    args.push(operand.evaluate ? checked(frame, operand.evaluate(frame, dot), type) : typedConstant(frame, operand.node, type))
  }
  if (hasFinal) args.push(checked(frame, final, params[count < fixed ? count : fixed] ?? params.at(-1) ?? types.any))
  try {
    return fn.call(args)
  } catch (error) {
    throw failedCall(frame, name, site, error)
  }
}

/** Calls one of the functions of the language itself, which see missing values too. */
export function callBuiltin(frame: Frame, dot: Maybe, name: string, site: CallSite, builtin: Builtin, final: Maybe): Maybe {
  checkCount(frame, name, site, builtin.fixed, builtin.isVariadic)
  if (builtin.decides !== undefined) return callLogic(frame, dot, site, builtin.decides, final)
  const args = site.operands.map((operand) => anyArgument(frame, dot, operand))
  if (site.hasFinal) args.push(final)
  try {
    return builtin.call(args, () => calleeName(site, final))
  } catch (error) {
    throw failedCall(frame, name, site, error)
  }
}

/** `and` and `or`: the first argument that decides is the result, and those behind it are not evaluated. */
function callLogic(frame: Frame, dot: Maybe, site: CallSite, decisive: boolean, final: Maybe): Maybe {
  let value: Maybe
  for (const operand of site.operands) {
    value = anyArgument(frame, dot, operand)
    if (isTrue(value) === decisive) return value
  }
  return site.hasFinal ? final : value
}

function anyArgument(frame: Frame, dot: Maybe, operand: Argument): Maybe {
  frame.node = operand.node
  return operand.evaluate ? operand.evaluate(frame, dot) : idealConstant(frame, operand.node)
}

/** What errors of `call` name its function: the operand, or (as reflect.Value.String) the value that is handed on. */
function calleeName({ operands }: CallSite, final: Maybe): string {
  if (operands[0]) return printNode(operands[0].node)
  if (typeof final === 'string') return final
  return `<${final === undefined ? 'invalid' : nameOf(final)} Value>`
}

function checkCount(frame: Frame, name: string, { operands, hasFinal }: CallSite, fixed: number, isVariadic: boolean): void {
  const given = operands.length + (hasFinal ? 1 : 0)
  if (isVariadic ? given >= fixed : given === fixed) return
  const want = isVariadic ? `at least ${fixed} got ${operands.length}` : `${fixed} got ${given}`
  frame.fail(`wrong number of args for ${name}: want ${want}`)
}

/** The value as an argument of that type. */
function checked(frame: Frame, value: Maybe, type: GoType): Value {
  if (value === undefined) {
    if (canBeNil(type)) return zeroOf(type)
    return frame.fail(`invalid value; expected ${type.name}`)
  }
  if (type === types.any) return value
  const actual = typeOf(value)
  if (actual && isAssignable(actual, type)) return value
  if (value instanceof Struct && actual?.kind === 'ptr' && actual.elem && isAssignable(actual.elem, type)) {
    return value.fields ? new Struct(actual.elem, value.fields) : frame.fail(`dereference of nil pointer of type ${type.name}`)
  }
  return frame.fail(`wrong type for value; expected ${type.name}; got ${nameOf(value)}`)
}

function nameOf(value: Value): string {
  return typeOf(value)?.name ?? types.any.name
}

/** What to throw for what a function threw: limits and faults of this program pass as they are. */
function failedCall(frame: Frame, name: string, { node }: CallSite, error: unknown): unknown {
  if (!(error instanceof FuncError || error instanceof TemplateError)) return error
  frame.node = node
  // Each execution within another adds to the message.
  frame.execution.budget.checkText(error.message.length)
  return frame.error(`error calling ${name}: ${error.message}`, error)
}
