/** YAML as a tree of nodes: what kustomize edits, because tags and the spelling of numbers decide what it prints. */

/** How a scalar (or, for `flow`, a collection) was written. */
export type NodeStyle = 'plain' | 'single' | 'double' | 'literal' | 'folded' | 'flow'

/** Comments that belong to a node, with their `#`; empty where there are none. */
export interface Comments {
  /** On the lines above. */
  readonly head: string
  readonly line: string
  /** On the lines below. */
  readonly foot: string
}

/** How a node stands in its text. */
export interface Source extends Comments {
  /** The comment below the document, whose root the node is. */
  readonly end: string
  /** Both from 1, the row in the text that was parsed; 0 when the node was not read from one. */
  readonly row: number
  readonly column: number
  /** A tag was written out. */
  readonly isTagged: boolean
}

export const NO_SOURCE: Source = { head: '', line: '', foot: '', end: '', row: 0, column: 0, isTagged: false }

/**
 * One node. It is mutable and of one shape for all kinds, since edits replace a node in place (`assign`).
 * `content` holds items of a sequence; keys and values of a mapping, alternating.
 */
export interface Node {
  kind: 'scalar' | 'map' | 'seq' | 'alias'
  /** Short form (`!!str`), or a tag of the user's (`!foo`). Empty: to be resolved from value and style. */
  tag: string
  /** The text of a scalar. */
  value: string
  style: NodeStyle
  content: Node[]
  anchor: string | undefined
  /** What an alias stands for. */
  target: Node | undefined
  /** From 1; 0 when the node was not read from a text. */
  line: number
  /** Only of texts that are read with their comments. */
  source: Source | undefined
}

/** A scalar whose tag is resolved from its text when it is printed, unless one is given. */
export function scalarNode(value: string, tag = ''): Node {
  return {
    kind: 'scalar',
    tag,
    value,
    style: 'plain',
    content: [],
    anchor: undefined,
    target: undefined,
    line: 0,
    source: undefined,
  }
}

/** A scalar that is a string whatever it looks like. */
export function stringNode(value: string): Node {
  return scalarNode(value, '!!str')
}

/** A mapping of alternating keys and values. */
export function mapNode(content: Node[] = []): Node {
  return {
    kind: 'map',
    tag: '!!map',
    value: '',
    style: 'plain',
    content,
    anchor: undefined,
    target: undefined,
    line: 0,
    source: undefined,
  }
}

/** A sequence of items. */
export function seqNode(content: Node[] = []): Node {
  return {
    kind: 'seq',
    tag: '!!seq',
    value: '',
    style: 'plain',
    content,
    anchor: undefined,
    target: undefined,
    line: 0,
    source: undefined,
  }
}

/** A deep copy; targets of aliases are shared. */
export function copyNode(node: Node): Node {
  return {
    kind: node.kind,
    tag: node.tag,
    value: node.value,
    style: node.style,
    content: node.content.length === 0 ? [] : node.content.map(copyNode),
    anchor: node.anchor,
    target: node.target,
    line: node.line,
    source: node.source,
  }
}

/** Makes `node` be what `other` is, in place; content is shared. */
export function assign(node: Node, other: Node): void {
  node.kind = other.kind
  node.tag = other.tag
  node.value = other.value
  node.style = other.style
  node.content = other.content
  node.anchor = other.anchor
  node.target = other.target
  node.line = other.line
  node.source = other.source
}
