/** What the execution of a template carries along, and how its errors are made. Source: Go text/template/exec.go, state. */

import type { Budget } from './environment.ts'
import { printValue } from './format.ts'
import type { Func } from './func.ts'
import { type Node, printNode } from './node.ts'
import type { Tree } from './parse.ts'
import { quote } from './strconv.ts'
import { TemplateError } from './template-error.ts'
import { TextBuilder } from './text-builder.ts'
import { bytesOf, type Value } from './value.ts'

/** Undefined is Go's invalid reflect.Value: nothing at all. Null is a nil that an interface holds. */
export type Maybe = Value | undefined

/** What `.x` of a map gives when there is no x: nothing, the zero value of the map's elements, or an error. */
export type MissingKey = 'default' | 'zero' | 'error'

/** The templates and functions that an execution sees. */
export interface Library {
  readonly missingKey: MissingKey
  lookup(name: string): Tree | undefined
  /** Functions other than the builtin ones. */
  function(name: string): Func | undefined
}

/** One call of `execute`, with all the templates that it goes through. */
export class Execution {
  readonly library: Library
  readonly budget: Budget
  readonly output = new TextBuilder()

  constructor(library: Library, budget: Budget) {
    this.library = library
    this.budget = budget
  }

  write(text: string): void {
    this.budget.text(text.length)
    this.output.add(text)
  }

  print(value: Maybe): void {
    this.write(typeof value === 'string' ? value : printValue(value, this.budget))
  }
}

export interface Variable {
  readonly name: string
  value: Maybe
  /** Its static type is interface {}, as that of a list's item, so that errors name this type. */
  isBoxed: boolean
}

/** One template that is being executed. */
export class Frame {
  readonly execution: Execution
  readonly tree: Tree
  /** How many template actions have led here. */
  readonly depth: number
  /** What errors point at: the node that was evaluated last. */
  node: Node
  /** All variables in scope, the innermost last. */
  readonly variables: Variable[]
  /** As `isBoxed` of a variable, for dot. */
  isDotBoxed = false
  /** As `isBoxed` of a variable, for the value that a chain of fields has come to. */
  isFieldBoxed = false
  #hasOwnRoot = false

  constructor(execution: Execution, tree: Tree, data: Maybe, depth: number) {
    this.execution = execution
    this.tree = tree
    this.depth = depth
    this.node = tree.root
    this.variables = [{ name: '$', value: data, isBoxed: false }]
  }

  declare(name: string, value: Maybe): void {
    if (name === '$') this.#hasOwnRoot = true
    this.variables.push({ name, value, isBoxed: false })
  }

  /** The innermost variable of a name. The parser lets names pass that a branch not taken has declared. */
  variable(name: string): Variable {
    const { variables } = this
    if (name === '$' && !this.#hasOwnRoot && variables[0]) return variables[0]
    for (let at = variables.length - 1; at >= 0; at--) {
      const variable = variables[at]
      if (variable?.name === name) return variable
    }
    return this.fail(`undefined variable: ${name}`)
  }

  assign(name: string, value: Maybe, isBoxed = false): void {
    const variable = this.variable(name)
    variable.value = value
    variable.isBoxed = isBoxed
  }

  /** Ends the execution. */
  fail(message: string): never {
    throw this.error(message)
  }

  /** An error at the current node. `cause` is what a function threw. */
  error(message: string, cause?: unknown): TemplateError {
    const place = placeOf(this.tree, this.node.pos)
    const where = `executing ${quote(this.tree.name)} at <${printNode(this.node)}>`
    return new TemplateError('execute', `template: ${place}: ${where}: ${message}`, cause === undefined ? undefined : { cause })
  }
}

/** `name:line:column`: lines from 1, columns in bytes from 0. */
function placeOf({ source }: Tree, pos: number): string {
  const before = source.text.slice(0, pos)
  const lines = before.split('\n')
  return `${source.name}:${lines.length}:${bytesOf(lines.at(-1) ?? '').length}`
}
