/** Renders the templates of a chart and its dependencies. Source: helm pkg/engine/engine.go. */

import { messageOf } from '../errors.ts'
import { type Environment, LimitError } from '../gotemplate/environment.ts'
import { formatFunctions } from '../gotemplate/format-functions.ts'
import { type Func, FuncError, func, p } from '../gotemplate/func.ts'
import { parseTemplate, TemplateError, TemplateSet, type Tree } from '../gotemplate/index.ts'
import { sprigFunctions } from '../gotemplate/sprig/index.ts'
import { quote } from '../gotemplate/strconv.ts'
import { type Dict, textOf, type Value } from '../gotemplate/value.ts'
import { parseKubeVersion } from './capabilities.ts'
import { capabilitiesObject } from './capabilities-object.ts'
import type { Capabilities, Chart, ChartFile, ReleaseInfo } from './chart.ts'
import { executionErrorMessage, parseErrorMessage, RenderError } from './engine-errors.ts'
import { filesObject } from './files.ts'
import { type Answers, helmFunctions } from './functions.ts'
import { isPartial } from './manifests.ts'
import { releaseObject, type Scope, scopeOf } from './objects.ts'
import { compareText } from './order.ts'
import { asValues } from './values-object.ts'

/** What the templates of one render are given. */
export interface TemplateInput extends Answers {
  /** With its dependencies processed. */
  readonly chart: Chart
  /** Of the whole tree, coalesced. Templates change it. */
  readonly values: Dict
  readonly release: ReleaseInfo
  readonly capabilities: Capabilities
  readonly environment: Environment
  /** A key that is missing is an error. */
  readonly strict?: boolean | undefined
}

/**
 * The output of each template by its path (`app/charts/leaf/templates/a.yaml`); partials have none. The deepest paths come first, so that
 * of several errors the deepest is seen.
 * @throws RenderError in Helm's words, LimitError.
 */
export function renderTemplates(input: TemplateInput): Map<string, string> {
  const templates = inOrder(templatesOf(rootScope(input)))
  const { environment, strict = false } = input
  const functions = new Map([...formatFunctions(environment), ...sprigFunctions(environment), ...helmFunctions(environment, input)])
  const renderer = new Renderer(functions, environment, strict)
  for (const template of templates) renderer.add(template)
  const rendered = new Map<string, string>()
  for (const { path, scope } of templates) {
    if (isPartial(path)) continue
    scope.dot.set('Template', templateObject(path, scope))
    rendered.set(path, renderer.render(path, asValues(scope.dot)))
  }
  return rendered
}

/** One file to render. */
interface Template {
  readonly path: string
  readonly file: ChartFile
  readonly scope: Scope
}

function rootScope({ chart, values, release, capabilities, environment }: TemplateInput): Scope {
  const shared = {
    release: releaseObject(release),
    capabilities: capabilitiesObject(parseKubeVersion(capabilities.kubeVersion), capabilities.apiVersions),
    files: ({ files }: Chart) => filesObject(files, environment.budget),
  }
  return scopeOf(chart, asValues(values), shared)
}

function templateObject(path: string, scope: Scope): Dict {
  return asValues(
    new Map([
      ['Name', path],
      ['BasePath', `${scope.path}/templates`],
    ]),
  )
}

/** Of dependencies first: the template of a chart replaces one of the same path. Of library charts only the partials. */
function templatesOf(scope: Scope): Template[] {
  const { chart, path, children } = scope
  const isLibrary = chart.metadata.type?.toLowerCase() === 'library'
  const own = chart.templates.filter(({ name }) => !isLibrary || isPartial(name))
  return [...children.flatMap(templatesOf), ...own.map((file) => ({ path: `${path}/${file.name}`, file, scope }))]
}

/** By depth, the deepest first; then by path, the last first. */
function inOrder(templates: readonly Template[]): Template[] {
  const byPath = new Map(templates.map((template) => [template.path, template]))
  const depth = ({ path }: Template) => path.split('/').length
  return [...byPath.values()].sort((a, b) => depth(b) - depth(a) || compareText(b.path, a.path))
}

/** How often a template may be included from within itself. */
const maxIncludes = 1000

/** The name of the set, which templates without a name of their own have too. */
const setName = 'gotpl'

/** A set of templates with `include` and `tpl`, which call back into it. */
class Renderer {
  readonly #environment: Environment
  readonly #set: TemplateSet
  /** How many calls of `include` of a name are open. */
  readonly #included = new Map<string, number>()

  constructor(functions: ReadonlyMap<string, Func>, environment: Environment, strict: boolean) {
    this.#environment = environment
    this.#set = new TemplateSet({ name: setName, funcs: functions, missingKey: strict ? 'error' : 'zero' })
    this.#bind(this.#set)
  }

  add({ path, file }: Template): void {
    try {
      this.#set.add(parsed(path, file, (name) => this.#set.function(name) !== undefined))
    } catch (error) {
      if (error instanceof TemplateError) throw new RenderError(parseErrorMessage(path, error), { file: path }, { cause: error })
      throw error
    }
  }

  render(path: string, dot: Value): string {
    try {
      return withoutNoValue(this.#execute(this.#set, path, dot))
    } catch (error) {
      if (error instanceof TemplateError)
        throw new RenderError(executionErrorMessage(path, error), { file: path }, { cause: error })
      throw error
    }
  }

  #execute(set: TemplateSet, template: string | Tree, dot: Value): string {
    return set.execute(template, dot, { budget: this.#environment.budget })
  }

  /** What a template includes or evaluates sees the templates of its own set: those that a `tpl` defines are gone after it. */
  #bind(set: TemplateSet): void {
    set.bind(
      'include',
      func([p.string, p.any], p.string, (name, data) => this.#include(set, name, data)),
    )
    set.bind(
      'tpl',
      func([p.string, p.any], p.string, (text, data) => this.#evaluate(set, text, data)),
    )
  }

  #include(set: TemplateSet, name: string, data: Value): string {
    const open = this.#included.get(name) ?? 0
    if (open > maxIncludes)
      throw new FuncError(`rendering template has a nested reference name: ${name}: unable to execute template`)
    this.#included.set(name, open + 1)
    const text = this.#execute(set, name, data)
    this.#included.set(name, open)
    return text
  }

  #evaluate(parent: TemplateSet, text: string, data: Value): string {
    const set = parent.clone()
    this.#bind(set)
    let tree: Tree
    try {
      tree = set.parse(setName, text)
    } catch (error) {
      throw wrapped(`cannot parse template ${quote(text)}: `, error)
    }
    try {
      return withoutNoValue(this.#execute(set, tree, data))
    } catch (error) {
      throw wrapped(`error during tpl function execution for ${quote(text)}: `, error)
    }
  }
}

function wrapped(context: string, error: unknown): unknown {
  return error instanceof LimitError ? error : new FuncError(context + messageOf(error), { cause: error })
}

/** What Go prints for a key that is missing. */
function withoutNoValue(text: string): string {
  return text.includes('<no value>') ? text.replaceAll('<no value>', '') : text
}

/** Trees by file and path: charts are shared between releases, and a parsed template never changes. */
const trees = new WeakMap<ChartFile, Map<string, ReadonlyMap<string, Tree>>>()

function parsed(path: string, file: ChartFile, isFunction: (name: string) => boolean): ReadonlyMap<string, Tree> {
  const known = trees.get(file) ?? new Map<string, ReadonlyMap<string, Tree>>()
  trees.set(file, known)
  const result = known.get(path) ?? parseTemplate(path, textOf(file.data), { isFunction })
  known.set(path, result)
  return result
}
