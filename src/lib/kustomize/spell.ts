/** Plain data → nodes. */

import type { Json } from '../json.ts'
import { formatFloat, formatNumber, isPlainText, mapNode, type Node, resolveTag, scalarNode, seqNode } from '../yaml/index.ts'

/** How Go has written the data that is read as a node: kyaml keeps the quotes and the spelling of numbers. */
export type Spelling =
  /** As JSON: all texts in quotes. */
  | 'json'
  /** As YAML, of values that Go has read without knowing their types: all numbers are floats, texts are in quotes where they have to be. */
  | 'yaml'

/** Plain data as a node. */
export function jsonToNode(value: Json, { line = 0, spelling = 'json' as Spelling } = {}): Node {
  const node = bareNode(value, { line, spelling })
  node.line = line
  return node
}

function bareNode(value: Json, options: { line: number; spelling: Spelling }): Node {
  const { spelling } = options
  if (value === null) return scalarNode('null', '!!null')
  if (Array.isArray(value)) return seqNode(value.map((item) => jsonToNode(item, options)))
  switch (typeof value) {
    case 'object':
      return mapNode(Object.entries(value).flatMap(([key, item]) => [spelledText(key, spelling), jsonToNode(item, options)]))
    case 'boolean':
      return scalarNode(String(value), '!!bool')
    case 'string':
      return spelledText(value, spelling)
    default: {
      const text = spelling === 'yaml' ? formatFloat(Number(value)) : formatNumber(value)
      return scalarNode(text, resolveTag(text, 'kyaml'))
    }
  }
}

function spelledText(text: string, spelling: Spelling): Node {
  const node = scalarNode(text, '!!str')
  node.style = spelling === 'json' ? 'double' : yamlStyle(text)
  return node
}

function yamlStyle(text: string): Node['style'] {
  if (text.includes('\n')) return 'literal'
  if (resolveTag(text, 'sigs') !== '!!str') return 'double'
  return isPlainText(text) ? 'plain' : 'single'
}
