/**
 * YAML as Go programs read and print it.
 *
 * `loadAll` reads values in one of Go's two dialects, `emit` prints them in the form of sigs.k8s.io/yaml (what kustomize,
 * kubectl and Helm's toYaml print). `parseNodes` keeps tags, styles and spellings for engines that edit documents.
 */

export { emit, emitInOrder } from './emit.ts'
export { compareKeys } from './keys.ts'
export { expandAliases, type LoadOptions, loadAll, loadFirst, nodeToJson } from './load.ts'
export { assign, copyNode, mapNode, NO_SOURCE, type Node, type NodeStyle, scalarNode, seqNode, stringNode } from './node.ts'
export { formatFloat, formatNumber } from './number.ts'
export { type NodeBudget, nodeBudget, type ParseOptions, parseNodes, refuseLongText, type YamlLimits, yamlError } from './parse.ts'
export { printNode } from './print.ts'
export { doubleQuoted, isPlainText } from './scalar-style.ts'
export { type Dialect, parseInteger, resolveTag } from './schema.ts'
