/** Selectors of patches and replacements: anchored expressions for kind, name and namespace; label and annotation selectors. */

import { RE2JS } from 're2js'
import { BuildError } from '../errors.ts'
import type { GroupVersionKind } from './resid.ts'

/** Empty parts select all. Group, version, kind, name and namespace are RE2 expressions that have to match as a whole. */
export interface Selector extends GroupVersionKind {
  readonly name: string
  readonly namespace: string
  readonly labelSelector: string
  readonly annotationSelector: string
}

export interface CompiledSelector {
  matchesKind(kind: GroupVersionKind): boolean
  matchesName(name: string): boolean
  matchesNamespace(namespace: string): boolean
  matchesLabels(labels: ReadonlyMap<string, string>): boolean
  matchesAnnotations(annotations: ReadonlyMap<string, string>): boolean
}

/** @throws BuildError naming the expression that cannot be parsed. */
export function compileSelector(selector: Selector): CompiledSelector {
  const [group, version, kind] = [selector.group, selector.version, selector.kind].map(compileWhole)
  const [name, namespace] = [selector.name, selector.namespace].map(compileWhole)
  // Parsed when first needed: an unused bad selector is no error, as upstream.
  let labels: LabelSelector | undefined
  let annotations: LabelSelector | undefined
  return {
    matchesKind: (id) => group?.(id.group) !== false && version?.(id.version) !== false && kind?.(id.kind) !== false,
    matchesName: (text) => name?.(text) !== false,
    matchesNamespace: (text) => namespace?.(text) !== false,
    matchesLabels: (map) => {
      labels ??= parseLabelSelector(selector.labelSelector)
      return labels(map)
    },
    matchesAnnotations: (map) => {
      annotations ??= parseLabelSelector(selector.annotationSelector)
      return annotations(map)
    },
  }
}

const LITERAL = /^[A-Za-z0-9_/-]*$/

function compileWhole(pattern: string): (text: string) => boolean {
  if (pattern === '') return () => true
  if (LITERAL.test(pattern)) return (text) => text === pattern
  const compiled = compileExpression(`^(?:${pattern})$`, pattern)
  return (text) => compiled.matcher(text).find()
}

/** Compiles an expression on RE2 rules (linear time). @throws BuildError naming the expression as the user wrote it. */
export function compileExpression(expression: string, written = expression): RE2JS {
  try {
    return RE2JS.compile(expression)
  } catch (error) {
    throw new BuildError(
      `error parsing regexp: ${error instanceof Error ? error.message : String(error)} in ${JSON.stringify(written)}`,
    )
  }
}

type LabelSelector = (labels: ReadonlyMap<string, string>) => boolean

/**
 * Parses a Kubernetes label selector: `a=b,c!=d,e in (f,g),!h,i>3`.
 * Source: k8s.io/apimachinery/pkg/labels.
 */
export function parseLabelSelector(text: string): LabelSelector {
  const requirements: LabelSelector[] = []
  const tokens = tokenize(text)
  let at = 0
  while (at < tokens.length) {
    requirements.push(requirement())
    if (at >= tokens.length) break
    if (tokens[at] !== ',') throw unexpected(`, or 'end of string'`)
    at++
    if (at >= tokens.length) throw unexpected('identifier')
  }
  return (labels) => requirements.every((matches) => matches(labels))

  function requirement(): LabelSelector {
    const negated = tokens[at] === '!'
    if (negated) at++
    const key = tokens[at] ?? ''
    if (key === '' || isOperator(key)) throw unexpected('!, identifier, or end of string')
    requireLabelKey(key, text)
    at++
    if (negated) return (labels) => !labels.has(key)
    const operator = tokens[at]
    switch (operator) {
      case undefined:
      case ',':
        return (labels) => labels.has(key)
      case 'in':
      case 'notin': {
        at++
        const values = new Set(valueList())
        return operator === 'in' ? (labels) => has(labels, key, values) : (labels) => !has(labels, key, values)
      }
      case '=':
      case '==':
      case '!=': {
        at++
        const values = new Set([singleValue()])
        return operator === '!=' ? (labels) => !has(labels, key, values) : (labels) => has(labels, key, values)
      }
      case '<':
      case '>': {
        at++
        const bound = integerValue(singleValue())
        return (labels) => compares(labels.get(key), operator, bound)
      }
      default:
        throw unexpected('in, notin, =, ==, !=, gt, lt')
    }
  }

  function singleValue(): string {
    const value = tokens[at]
    if (value === undefined || value === ',') return ''
    if (isOperator(value)) throw unexpected('identifier')
    at++
    return requireLabelValue(value, text)
  }

  function valueList(): string[] {
    if (tokens[at++] !== '(') throw unexpected(`'('`)
    const values: string[] = []
    for (;;) {
      const token = tokens[at]
      if (token === undefined) throw unexpected(`',', ')' or identifier`)
      at++
      if (token === ')') {
        if (values.length === 0) values.push('')
        return values
      }
      if (token === ',') {
        if (values.length === 0 || tokens[at] === ',' || tokens[at] === ')') values.push('')
        continue
      }
      values.push(requireLabelValue(token, text))
    }
  }

  function unexpected(expected: string): BuildError {
    return new BuildError(
      `unable to parse requirement: found '${tokens[at] ?? ''}', expected: ${expected} in selector ${JSON.stringify(text)}`,
    )
  }
}

function has(labels: ReadonlyMap<string, string>, key: string, values: ReadonlySet<string>): boolean {
  const value = labels.get(key)
  return value !== undefined && values.has(value)
}

function compares(value: string | undefined, operator: '<' | '>', bound: bigint): boolean {
  if (value === undefined || !/^[+-]?\d+$/.test(value)) return false
  return operator === '<' ? BigInt(value) < bound : BigInt(value) > bound
}

function integerValue(text: string): bigint {
  if (/^[+-]?\d+$/.test(text)) return BigInt(text)
  throw new BuildError(`for 'Gt', 'Lt' operators, the value must be an integer`)
}

function tokenize(text: string): string[] {
  return text.match(/==|!=|[=!<>(),]|[^\s=!<>(),]+/g) ?? []
}

function isOperator(token: string): boolean {
  return /^[=!<>(),]/.test(token)
}

function requireLabelKey(key: string, selector: string): void {
  const slash = key.lastIndexOf('/')
  const [prefix, name] = slash < 0 ? [undefined, key] : [key.slice(0, slash), key.slice(slash + 1)]
  const valid =
    (prefix === undefined ||
      (prefix.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(prefix))) &&
    name.length <= 63 &&
    /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/.test(name)
  if (!valid)
    throw new BuildError(`key: Invalid value: ${JSON.stringify(key)}: not a label key in selector ${JSON.stringify(selector)}`)
}

function requireLabelValue(value: string, selector: string): string {
  if (value.length <= 63 && /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/.test(value)) return value
  throw new BuildError(`values: Invalid value: ${JSON.stringify(value)}: not a label value in selector ${JSON.stringify(selector)}`)
}
