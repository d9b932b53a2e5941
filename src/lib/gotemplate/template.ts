/** A set of templates that can call one another. Source: Go text/template/template.go. */

import { type Budget, LimitError } from './environment.ts'
import { runTree } from './exec.ts'
import { Execution, type Library, type MissingKey } from './frame.ts'
import type { Func } from './func.ts'
import { type Delimiters, defaultDelimiters } from './lex.ts'
import { isEmptyTree, parseTemplate, type Tree } from './parse.ts'
import { quote } from './strconv.ts'
import { isStackOverflow, TemplateError } from './template-error.ts'
import { bytesOf, textOf, type Value } from './value.ts'

export interface TemplateOptions {
  /** What Go's associated templates hang on: errors name it. Default `gotpl`, as in Helm. */
  readonly name?: string
  /** Functions that templates can call, besides and, or, not, len, index, slice, call and the comparisons. */
  readonly funcs: ReadonlyMap<string, Func>
  readonly missingKey?: MissingKey
  readonly delims?: Delimiters
}

/** Templates by name, with the functions that they can call. */
export class TemplateSet implements Library {
  readonly name: string
  readonly missingKey: MissingKey
  readonly #delims: Delimiters
  readonly #functions: ReadonlyMap<string, Func>
  /** Functions that this set has of its own, before the shared ones. */
  readonly #ownFunctions: Map<string, Func>
  /** Templates that clones share; never changed. */
  #shared: ReadonlyMap<string, Tree>
  /** Those that came after the last clone. */
  #own = new Map<string, Tree>()

  constructor(options: TemplateOptions, from?: TemplateSet) {
    this.name = options.name ?? 'gotpl'
    this.missingKey = options.missingKey ?? 'default'
    this.#delims = options.delims ?? defaultDelimiters
    this.#functions = options.funcs
    this.#ownFunctions = new Map(from ? from.#ownFunctions : [])
    this.#shared = from ? from.#shared : new Map()
  }

  /** A set with the same templates and functions, to which others can be added without a change to this one. */
  clone(): TemplateSet {
    const { name, missingKey } = this
    if (this.#own.size > 0) {
      this.#shared = new Map([...this.#shared, ...this.#own])
      this.#own = new Map()
    }
    return new TemplateSet({ name, missingKey, delims: this.#delims, funcs: this.#functions }, this)
  }

  /** Adds a function, or replaces that of the same name, in this set alone. */
  bind(name: string, fn: Func): void {
    this.#ownFunctions.set(name, fn)
  }

  /**
   * Adds the template of a text, and those that it defines. One that is empty replaces none of the same name.
   * @returns the template of the text itself, which is not the one of its name in the set where it is empty.
   * @throws TemplateError as `template: name:line: unexpected …`. LimitError
   */
  parse(name: string, text: string): Tree {
    const trees = parseTemplate(name, text, { delims: this.#delims, isFunction: (each) => this.function(each) !== undefined })
    this.add(trees)
    const tree = trees.get(name)
    if (!tree) throw new TemplateError('lookup', `template: ${name}: ${quote(name)} is an incomplete or empty template`)
    return tree
  }

  /** Adds templates that `parseTemplate` made: of a chart that is rendered more than once. */
  add(trees: ReadonlyMap<string, Tree>): void {
    for (const [name, tree] of trees) {
      if (!isEmptyTree(tree) || !this.lookup(name)) this.#own.set(name, tree)
    }
  }

  lookup(name: string): Tree | undefined {
    return this.#own.get(name) ?? this.#shared.get(name)
  }

  names(): string[] {
    return Array.from(new Set([...this.#shared.keys(), ...this.#own.keys()]))
  }

  function(name: string): Func | undefined {
    return this.#ownFunctions.get(name) ?? this.#functions.get(name)
  }

  /**
   * The text that a template gives for its data.
   * @param template its name, or what `parse` returned.
   * @throws TemplateError as `template: name:line:column: executing "x" at <…>: …`. LimitError when the budget or the stack is used up.
   */
  execute(template: string | Tree, data: Value, { budget }: { readonly budget: Budget }): string {
    const tree = typeof template === 'string' ? this.lookup(template) : template
    if (!tree) throw this.#noTemplate(String(template))
    const execution = new Execution(this, budget)
    try {
      // Nil has no type to ask: as Go's reflect.ValueOf(nil), it is no value at all.
      runTree(execution, tree, data ?? undefined)
    } catch (error) {
      throw limitFor(error) ?? error
    }
    const { text } = execution.output
    // Bytes that were printed one by one may make characters.
    return text.isWellFormed() ? text : textOf(bytesOf(text))
  }

  #noTemplate(name: string): TemplateError {
    return new TemplateError('lookup', `template: no template ${quote(name)} associated with template ${quote(this.name)}`)
  }
}

/** For what JavaScript throws when the stack ends, or a string is longer than any can be. */
function limitFor(error: unknown): LimitError | undefined {
  if (isStackOverflow(error)) return new LimitError('the template nests too deeply')
  return error instanceof RangeError ? new LimitError('the template makes a value that is too large') : undefined
}
