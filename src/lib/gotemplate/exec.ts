/** Turns trees into functions that execute them. Source: Go text/template/exec.go, walk. */

import type { Evaluate } from './call.ts'
import { compilePipe } from './eval.ts'
import { type Execution, Frame, type Maybe } from './frame.ts'
import type { ActionNode, BodyNode, BranchNode, ListNode, TemplateNode } from './node.ts'
import type { Tree } from './parse.ts'
import { rangeItems } from './range.ts'
import { quote } from './strconv.ts'
import { isStackOverflow } from './template-error.ts'
import { isTrue } from './truth.ts'

/** Go's bound. Unless it is made larger, JavaScript's stack ends earlier: the error is the same. */
const maxDepth = 100_000

/** How the body of a range goes on after a node. */
type Signal = 'next' | 'break' | 'continue'

type Step = (frame: Frame, dot: Maybe) => Signal

/** Trees are never changed, so that each is compiled once for all that execute it. */
const compiled = new WeakMap<Tree, Step>()

/** Executes a template with its data as dot and `$`. @throws TemplateError, LimitError; RangeError when the stack ends. */
export function runTree(execution: Execution, tree: Tree, data: Maybe, depth = 0): void {
  let step = compiled.get(tree)
  if (!step) {
    step = compileList(tree.root)
    compiled.set(tree, step)
  }
  step(new Frame(execution, tree, data, depth), data)
}

function compileList({ nodes }: ListNode): Step {
  const steps = nodes.map(compileNode)
  const [only] = steps
  if (steps.length === 1 && only) return only
  return (frame, dot) => {
    for (const step of steps) {
      const signal = step(frame, dot)
      if (signal !== 'next') return signal
    }
    return 'next'
  }
}

function compileNode(node: BodyNode): Step {
  switch (node.type) {
    case 'text':
      return (frame) => {
        frame.execution.write(node.text)
        return 'next'
      }
    case 'action':
      return compileAction(node)
    case 'if':
    case 'with':
      return compileConditional(node)
    case 'range':
      return compileRange(node)
    case 'template':
      return compileTemplate(node)
    case 'break':
    case 'continue':
      return () => node.type
  }
}

function compileAction(node: ActionNode): Step {
  const pipe = compilePipe(node.pipe)
  const isPrinted = node.pipe.variables.length === 0
  return (frame, dot) => {
    frame.execution.budget.steps()
    const value = pipe(frame, dot)
    if (isPrinted) frame.execution.print(value)
    return 'next'
  }
}

/** What the list and the pipeline before it declare goes out of scope with the node. */
function compileConditional({ type, pipe, list, elseList }: BranchNode): Step {
  const condition = compilePipe(pipe)
  const then = type === 'with' ? rebindingDot(compileList(list)) : compileList(list)
  const otherwise = elseList ? compileList(elseList) : undefined
  return (frame, dot) => {
    frame.execution.budget.steps()
    const scope = frame.variables.length
    const value = condition(frame, dot)
    let signal: Signal = 'next'
    if (isTrue(value)) signal = then(frame, type === 'with' ? value : dot)
    else if (otherwise) signal = otherwise(frame, dot)
    frame.variables.length = scope
    return signal
  }
}

/** A list whose dot is the value of a pipeline, which never has the static type interface {}. */
function rebindingDot(list: Step): Step {
  return (frame, dot) => {
    const wasBoxed = frame.isDotBoxed
    frame.isDotBoxed = false
    const signal = list(frame, dot)
    frame.isDotBoxed = wasBoxed
    return signal
  }
}

function compileRange({ pipe, list, elseList }: BranchNode): Step {
  const evaluate = compilePipe(pipe)
  const body = compileList(list)
  const otherwise = elseList ? compileList(elseList) : undefined
  return (frame, dot) => {
    frame.execution.budget.steps()
    const scope = frame.variables.length
    const items = rangeItems(frame, evaluate(frame, dot), pipe)
    let signal: Signal = 'next'
    if (items.count > 0) iterate(frame, items, body)
    else if (otherwise) signal = otherwise(frame, dot)
    frame.variables.length = scope
    return signal
  }
}

function iterate(frame: Frame, items: ReturnType<typeof rangeItems>, body: Step): void {
  const scope = frame.variables.length
  const wasBoxed = frame.isDotBoxed
  for (let at = 0; at < items.count; at++) {
    frame.execution.budget.steps()
    const item = items.item(at)
    items.bind(frame, at, item)
    frame.isDotBoxed = items.isBoxed
    const signal = body(frame, item)
    frame.variables.length = scope
    if (signal === 'break') break
  }
  frame.isDotBoxed = wasBoxed
}

function compileTemplate(node: TemplateNode): Step {
  const evaluate: Evaluate = node.pipe ? compilePipe(node.pipe) : () => undefined
  return (frame, dot) => {
    const { execution } = frame
    execution.budget.steps()
    frame.node = node
    const tree = execution.library.lookup(node.name)
    if (!tree) return frame.fail(`template ${quote(node.name)} not defined`)
    if (frame.depth === maxDepth) return failTooDeep(frame, node)
    try {
      runTree(execution, tree, evaluate(frame, dot), frame.depth + 1)
    } catch (error) {
      if (!isStackOverflow(error)) throw error
      failTooDeep(frame, node)
    }
    return 'next'
  }
}

function failTooDeep(frame: Frame, node: TemplateNode): never {
  frame.node = node
  return frame.fail(`exceeded maximum template depth (${maxDepth})`)
}
