/** Parses the text of a template into trees. Source: Go text/template/parse/parse.go. */

import { builtins } from './builtin.ts'
import { LimitError } from './environment.ts'
import { FuncError } from './func.ts'
import { type Delimiters, defaultDelimiters, describeToken, Lexer, type Token, type TokenKind } from './lex.ts'
import type {
  BodyNode,
  BranchNode,
  CommandNode,
  FieldNode,
  ListNode,
  Operand,
  PipeNode,
  TemplateNode,
  VariableNode,
} from './node.ts'
import { printNode } from './node.ts'
import { parseNumber } from './number.ts'
import { quote, unquote } from './strconv.ts'
import { isStackOverflow, TemplateError } from './template-error.ts'
import { Tokens } from './tokens.ts'

/** One template: the body of a text, of a `define` or of a `block`. Never changed, and shared by all that execute it. */
export interface Tree {
  readonly name: string
  readonly root: ListNode
  readonly source: Source
}

/** What errors say of the place. */
export interface Source {
  /** The name under which the text was parsed. */
  readonly name: string
  readonly text: string
}

export interface ParseOptions {
  readonly delims?: Delimiters
  /** Templates may only call functions that exist: the builtin ones, and those that this knows. */
  readonly isFunction: (name: string) => boolean
}

/**
 * The templates of a text by name: its own body and what it defines.
 * @throws TemplateError with Go's message: `template: name:line: unexpected …`. LimitError when the text nests too deeply.
 */
export function parseTemplate(name: string, text: string, options: ParseOptions): ReadonlyMap<string, Tree> {
  try {
    return new Parser({ name, text }, options).parse()
  } catch (error) {
    if (isStackOverflow(error)) throw new LimitError(`template ${quote(name)} nests too deeply`)
    throw error
  }
}

/** Whether there is nothing but space, so that the template does not replace another of its name. */
export function isEmptyTree({ root }: Tree): boolean {
  return root.nodes.every((node) => node.type === 'text' && /^\p{White_Space}*$/u.test(node.text))
}

/** How deep parentheses may be nested. Go's bound is 10,000, for which JavaScript's stack would be too small. */
const maxParens = 1000

/** What ends a list of nodes; `{{else if …}}` leaves its keyword to be read. */
type Terminator = 'end' | 'else'

type Parsed = BodyNode | Terminator

/** What belongs to one template of the text; a nested one has its own. */
interface Scope {
  readonly variables: string[]
  rangeDepth: number
  parenDepth: number
  /** The line of the action that is being parsed; 0 outside. */
  actionLine: number
}

class Parser {
  readonly #source: Source
  readonly #tokens: Tokens
  readonly #isFunction: (name: string) => boolean
  readonly #trees = new Map<string, Tree>()
  #scope: Scope = newScope()

  constructor(source: Source, { delims = defaultDelimiters, isFunction }: ParseOptions) {
    this.#source = source
    this.#isFunction = (name) => builtins.has(name) || isFunction(name)
    this.#tokens = new Tokens(new Lexer(source.text, delims, isFunction))
  }

  parse(): ReadonlyMap<string, Tree> {
    const nodes: BodyNode[] = []
    const { pos } = this.#tokens.peek()
    while (this.#tokens.peek().kind !== 'eof') {
      if (this.#definition()) continue
      const node = this.#textOrAction()
      if (typeof node === 'string') this.#fail(`unexpected {{${node}}}`)
      nodes.push(node)
    }
    this.#add(this.#source.name, { type: 'list', pos, nodes })
    return this.#trees
  }

  #add(name: string, root: ListNode): void {
    const tree = { name, root, source: this.#source }
    const earlier = this.#trees.get(name)
    if (!earlier || isEmptyTree(earlier)) this.#trees.set(name, tree)
    else if (!isEmptyTree(tree)) this.#fail(`template: multiple definition of template ${quote(name)}`)
  }

  /** A whole `{{define "x"}}…{{end}}`, if one comes next. */
  #definition(): boolean {
    if (this.#tokens.peek().kind !== 'leftDelim') return false
    const delimiter = this.#tokens.next()
    const keyword = this.#tokens.nextNonSpace()
    if (keyword.kind !== 'define') {
      this.#tokens.backUp(keyword, delimiter)
      return false
    }
    const context = 'define clause'
    this.#inOwnScope(() => {
      const name = this.#templateName(this.#tokens.nextNonSpace(), context)
      this.#expect('rightDelim', context)
      this.#addBody(name, context)
    })
    return true
  }

  #addBody(name: string, context: string): void {
    const { list, terminator } = this.#itemList()
    if (terminator !== 'end') this.#fail(`unexpected {{${terminator}}} in ${context}`)
    this.#add(name, list)
  }

  #inOwnScope(parse: () => void): void {
    const outer = this.#scope
    this.#scope = newScope()
    parse()
    this.#scope = outer
  }

  #itemList(): { list: ListNode; terminator: Terminator } {
    const nodes: BodyNode[] = []
    const { pos } = this.#tokens.peekNonSpace()
    while (this.#tokens.peekNonSpace().kind !== 'eof') {
      const node = this.#textOrAction()
      if (typeof node === 'string') return { list: { type: 'list', pos, nodes }, terminator: node }
      nodes.push(node)
    }
    this.#fail('unexpected EOF')
  }

  #textOrAction(): Parsed {
    const token = this.#tokens.nextNonSpace()
    if (token.kind === 'text') return { type: 'text', pos: token.pos, text: token.text }
    if (token.kind !== 'leftDelim') this.#unexpected(token, 'input')
    this.#scope.actionLine = token.line
    const node = this.#action()
    this.#scope.actionLine = 0
    return node
  }

  #action(): Parsed {
    const token = this.#tokens.nextNonSpace()
    switch (token.kind) {
      case 'block':
        return this.#block()
      case 'break':
      case 'continue':
        return this.#jump(token, token.kind)
      case 'else':
        return this.#else()
      case 'end':
        this.#expect('rightDelim', 'end')
        return 'end'
      case 'if':
      case 'range':
      case 'with':
        return this.#branch(token.kind)
      case 'template':
        return this.#template()
    }
    this.#tokens.backUp(token)
    const { pos } = this.#tokens.peek()
    return { type: 'action', pos, pipe: this.#pipeline('command', 'rightDelim') }
  }

  #jump({ pos }: Token, type: 'break' | 'continue'): BodyNode {
    const token = this.#tokens.nextNonSpace()
    if (token.kind !== 'rightDelim') this.#unexpected(token, `{{${type}}}`)
    if (this.#scope.rangeDepth === 0) this.#fail(`{{${type}}} outside {{range}}`)
    return { type, pos }
  }

  #else(): Terminator {
    const { kind } = this.#tokens.peekNonSpace()
    if (kind !== 'if' && kind !== 'with') this.#expect('rightDelim', 'else')
    return 'else'
  }

  #branch(type: BranchNode['type']): BranchNode {
    const { variables } = this.#scope
    const known = variables.length
    const pipe = this.#pipeline(type, 'rightDelim')
    if (type === 'range') this.#scope.rangeDepth++
    const { list, terminator } = this.#itemList()
    if (type === 'range') this.#scope.rangeDepth--
    const elseList = terminator === 'else' ? this.#elseList(type) : undefined
    variables.length = known
    return { type, pos: pipe.pos, pipe, list, elseList }
  }

  /** `{{else if x}}…{{end}}` is `{{else}}{{if x}}…{{end}}{{end}}`, and the same for with. */
  #elseList(type: BranchNode['type']): ListNode {
    const next = this.#tokens.peek()
    if (type !== 'range' && next.kind === type) {
      this.#tokens.next()
      return { type: 'list', pos: next.pos, nodes: [this.#branch(type)] }
    }
    const { list, terminator } = this.#itemList()
    if (terminator !== 'end') this.#fail(`expected end; found {{${terminator}}}`)
    return list
  }

  #block(): TemplateNode {
    const context = 'block clause'
    const token = this.#tokens.nextNonSpace()
    const name = this.#templateName(token, context)
    const pipe = this.#pipeline(context, 'rightDelim')
    this.#inOwnScope(() => this.#addBody(name, context))
    return { type: 'template', pos: token.pos, name, pipe }
  }

  #template(): TemplateNode {
    const context = 'template clause'
    const token = this.#tokens.nextNonSpace()
    const name = this.#templateName(token, context)
    const next = this.#tokens.nextNonSpace()
    if (next.kind === 'rightDelim') return { type: 'template', pos: token.pos, name, pipe: undefined }
    this.#tokens.backUp(next)
    return { type: 'template', pos: token.pos, name, pipe: this.#pipeline(context, 'rightDelim') }
  }

  #templateName(token: Token, context: string): string {
    if (token.kind !== 'string' && token.kind !== 'rawString') this.#unexpected(token, context)
    return this.#literal(() => unquote(token.text))
  }

  #pipeline(context: string, end: TokenKind): PipeNode {
    const { pos } = this.#tokens.peekNonSpace()
    const { variables, isAssignment } = this.#declarations(context)
    const commands: CommandNode[] = []
    for (;;) {
      const token = this.#tokens.nextNonSpace()
      if (token.kind === end) break
      if (!startsOperand.has(token.kind)) this.#unexpected(token, context)
      this.#tokens.backUp(token)
      commands.push(this.#command())
    }
    this.#checkPipeline(commands, context)
    return { type: 'pipe', pos, isAssignment, variables, commands }
  }

  #checkPipeline(commands: readonly CommandNode[], context: string): void {
    if (commands.length === 0) this.#fail(`missing value for ${context}`)
    const stage = commands.findIndex(({ operands }, index) => index > 0 && isConstant(operands[0]))
    if (stage > 0) this.#fail(`non executable command in pipeline stage ${stage + 1}`)
  }

  /** `$x :=`, `$x =` or, in a range, `$i, $x :=`. */
  #declarations(context: string): Pick<PipeNode, 'variables' | 'isAssignment'> {
    const variables: string[] = []
    for (;;) {
      const variable = this.#tokens.peekNonSpace()
      if (variable.kind !== 'variable') return { variables, isAssignment: false }
      this.#tokens.next()
      const adjacent = this.#tokens.peek()
      const next = this.#tokens.peekNonSpace()
      const isLast = next.kind === 'assign' || next.kind === 'declare'
      if (!isLast && !(next.kind === 'char' && next.text === ',')) {
        // It is an operand after all. The space behind it matters: it ends the operand.
        if (adjacent.kind === 'space') this.#tokens.backUp(adjacent)
        this.#tokens.backUp(variable)
        return { variables, isAssignment: false }
      }
      this.#tokens.nextNonSpace()
      variables.push(variable.text)
      this.#scope.variables.push(variable.text)
      if (isLast) return { variables, isAssignment: next.kind === 'assign' }
      this.#checkSecondVariable(context, variables.length)
    }
  }

  #checkSecondVariable(context: string, count: number): void {
    if (context !== 'range' || count > 1) this.#fail(`too many declarations in ${context}`)
    const { kind } = this.#tokens.peekNonSpace()
    if (kind !== 'variable' && kind !== 'rightDelim' && kind !== 'rightParen') this.#fail('range can only initialize variables')
  }

  #command(): CommandNode {
    const { pos } = this.#tokens.peekNonSpace()
    const operands: Operand[] = []
    for (;;) {
      this.#tokens.peekNonSpace()
      const operand = this.#operand()
      if (operand) operands.push(operand)
      const token = this.#tokens.next()
      if (token.kind === 'space') continue
      if (token.kind === 'rightDelim' || token.kind === 'rightParen') this.#tokens.backUp(token)
      else if (token.kind !== 'pipe') this.#unexpected(token, 'operand')
      break
    }
    const [first, ...rest] = operands
    if (!first) this.#fail('empty command')
    return { type: 'command', pos, operands: [first, ...rest] }
  }

  /** A term with the fields behind it; undefined when the next token begins none. */
  #operand(): Operand | undefined {
    const term = this.#term()
    const { kind, pos } = this.#tokens.peek()
    if (!term || kind !== 'field') return term
    const names: string[] = []
    while (this.#tokens.peek().kind === 'field') names.push(this.#tokens.next().text.slice(1))
    if (term.type === 'field' || term.type === 'variable') return { ...term, pos, names: [...term.names, ...names] }
    if (term.type === 'pipe' || term.type === 'identifier') return { type: 'chain', pos, operand: term, names }
    this.#fail(`unexpected . after term ${quote(printNode(term))}`)
  }

  #term(): Operand | undefined {
    const token = this.#tokens.nextNonSpace()
    const { kind, pos, text } = token
    switch (kind) {
      case 'identifier':
        if (!this.#isFunction(text)) this.#fail(`function ${quote(text)} not defined`)
        return { type: 'identifier', pos, name: text }
      case 'dot':
      case 'nil':
        return { type: kind, pos }
      case 'variable':
        return this.#variable(token)
      case 'field':
        return fieldNode(token)
      case 'bool':
        return { type: 'bool', pos, value: text === 'true' }
      case 'charConstant':
      case 'complex':
      case 'number':
        return this.#literal(() => parseNumber(token))
      case 'leftParen':
        return this.#parenthesised()
      case 'string':
      case 'rawString':
        return { type: 'string', pos, quoted: text, text: this.#literal(() => unquote(text)) }
    }
    this.#tokens.backUp(token)
    return undefined
  }

  #parenthesised(): PipeNode {
    if (this.#scope.parenDepth >= maxParens) this.#fail('max expression depth exceeded')
    this.#scope.parenDepth++
    const pipe = this.#pipeline('parenthesized pipeline', 'rightParen')
    this.#scope.parenDepth--
    return pipe
  }

  #variable({ pos, text }: Token): VariableNode {
    if (!this.#scope.variables.includes(text)) this.#fail(`undefined variable ${quote(text)}`)
    return { type: 'variable', pos, name: text, names: [] }
  }

  #literal<T>(parse: () => T): T {
    try {
      return parse()
    } catch (error) {
      if (error instanceof FuncError) this.#fail(error.message)
      throw error
    }
  }

  #expect(kind: TokenKind, context: string): void {
    const token = this.#tokens.nextNonSpace()
    if (token.kind !== kind) this.#unexpected(token, context)
  }

  #unexpected(token: Token, context: string): never {
    if (token.kind === 'error') this.#fail(`${token.text}${this.#startOfAction(token)}`)
    this.#fail(`unexpected ${describeToken(token)} in ${context}`)
  }

  /** Where the action began that a lexer's error is in, if in another line. */
  #startOfAction({ line, text }: Token): string {
    const { actionLine } = this.#scope
    if (actionLine === 0 || actionLine === line) return ''
    return `${text.endsWith(' action') ? '' : ' in action'} started at ${this.#source.name}:${actionLine}`
  }

  #fail(message: string): never {
    throw new TemplateError('parse', `template: ${this.#source.name}:${this.#tokens.line}: ${message}`)
  }
}

function newScope(): Scope {
  return { variables: ['$'], rangeDepth: 0, parenDepth: 0, actionLine: 0 }
}

function fieldNode({ pos, text }: Token): FieldNode {
  return { type: 'field', pos, names: [text.slice(1)] }
}

const startsOperand: ReadonlySet<TokenKind> = new Set([
  'bool',
  'charConstant',
  'complex',
  'dot',
  'field',
  'identifier',
  'number',
  'nil',
  'rawString',
  'string',
  'variable',
  'leftParen',
])

function isConstant({ type }: Operand): boolean {
  return type === 'bool' || type === 'dot' || type === 'nil' || type === 'number' || type === 'string'
}
