/** Nodes → text, keeping order and quotes: how kustomize prints parts of documents (into fields and messages). */

import type { Node } from './node.ts'
import { doubleQuoted, isPlainText } from './scalar-style.ts'
import { resolveTag } from './schema.ts'

/** Prints a node as go-yaml 3 does for kyaml: order and styles as written, sequences not indented, no folding. Comments are lost. */
export function printNode(node: Node): string {
  return `${printBlock(node, '').replace(/^\n/, '')}\n`
}

/** A collection begins with a line break, so that its first line stands below its key. */
function printBlock(node: Node, indent: string): string {
  if (node.kind === 'alias') return node.target ? printBlock(node.target, indent) : 'null'
  if (node.kind === 'scalar') return printScalar(node, indent)
  if (node.content.length === 0 || node.style === 'flow') return printFlow(node)
  return node.kind === 'seq' ? printSequence(node, indent) : printMapping(node, indent)
}

function printSequence(node: Node, indent: string): string {
  return node.content
    .map((item) => {
      const text = printBlock(item, `${indent}  `)
      return `\n${indent}- ${text.startsWith('\n') ? text.slice(indent.length + 3) : text}`
    })
    .join('')
}

function printMapping(node: Node, indent: string): string {
  let text = ''
  for (let i = 0; i < node.content.length; i += 2) {
    const [key, value] = [node.content[i], node.content[i + 1]]
    if (!key || !value) continue
    const inner = value.kind === 'seq' ? indent : `${indent}  `
    const printed = printBlock(value, inner)
    const separator = printed === '' || printed.startsWith('\n') ? ':' : ': '
    text += `\n${indent}${printScalar(key, indent)}${separator}${printed}`
  }
  return text
}

function printFlow(node: Node): string {
  if (node.kind === 'seq') return `[${node.content.map(printInFlow).join(', ')}]`
  const pairs: string[] = []
  for (let i = 0; i < node.content.length; i += 2) {
    const [key, value] = [node.content[i], node.content[i + 1]]
    if (key && value) pairs.push(`${printInFlow(key)}: ${printInFlow(value)}`)
  }
  return `{${pairs.join(', ')}}`
}

function printInFlow(node: Node): string {
  if (node.kind !== 'scalar') return printFlow(node.kind === 'alias' && node.target ? node.target : node)
  const text = printScalar(node.style === 'literal' || node.style === 'folded' ? { ...node, style: 'double' } : node, '')
  return node.style === 'plain' && /[,[\]{}?]/.test(text) && !text.startsWith('"') ? singleQuoted(node.value) : text
}

function printScalar(node: Node, indent: string): string {
  const { value, style, tag } = node
  if (style === 'double') return doubleQuoted(value)
  if (style === 'single') return singleQuoted(value)
  if (value.includes('\n')) return printLiteral(value, indent)
  const implied = resolveTag(value, 'kyaml')
  if (tag === '!!str' && implied !== '!!str') return doubleQuoted(value)
  if (implied !== '!!str') return value
  return isPlainText(value) ? value : singleQuoted(value)
}

function singleQuoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

function printLiteral(text: string, indent: string): string {
  const end = text.endsWith('\n\n') || text === '\n' ? '+' : text.endsWith('\n') ? '' : '-'
  const lines = (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n')
  return `|${end}${lines.map((line) => (line === '' ? '\n' : `\n${indent === '' ? '  ' : indent}${line}`)).join('')}`
}
