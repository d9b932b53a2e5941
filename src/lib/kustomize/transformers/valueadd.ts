/** ValueAddTransformer: writes one value into fields, or into one part of a path in them. */

import { BuildError } from '../../errors.ts'
import { loadFirst, type Node, scalarNode } from '../../yaml/index.ts'
import { type Decoder, integer, list, optional, struct, text } from '../decode.ts'
import { lookupCreate, requireKind, setScalar, splitPath } from '../fields.ts'
import { selector } from '../kustomization.ts'
import type { Loader } from '../loader.ts'
import type { ResMap } from '../resmap.ts'
import type { Selector } from '../selector.ts'
import { setNamespace } from './namespace.ts'

interface ValueTarget {
  readonly selector: Selector | undefined
  readonly fieldPath: string
  /** From 1; 0 replaces the whole value. */
  readonly filePathPosition: number
}

export interface ValueAdd {
  readonly value: string
  readonly targets: readonly ValueTarget[]
  readonly targetFilePath: string
}

const targets = list(
  struct<ValueTarget>('Target', { selector: optional(selector), fieldPath: text, filePathPosition: integer }),
  'builtins.Target',
)

export const valueAdd: Decoder<ValueAdd> = struct('ValueAddTransformer', { value: text, targets, targetFilePath: text })
const targetFile = struct('ValueAddTransformer', { targets })

/** Without a value, the name of the kustomization's folder. @throws BuildError without targets, or for a target without a field. */
export function valueAddTransformer(config: ValueAdd, loader: Loader): (resources: ResMap) => void {
  const value = config.value.trim() || (loader.root.split('/').at(-1) ?? '')
  const all = [...config.targets, ...targetsFromFile(config.targetFilePath, loader)]
  if (all.length === 0) throw new BuildError('must specify at least one target')
  for (const { fieldPath, filePathPosition } of all) {
    if (fieldPath === '') throw new BuildError('fieldPath cannot be empty')
    if (filePathPosition < 0) throw new BuildError(`value of FilePathPosition (${filePathPosition}) cannot be negative`)
  }
  return (resources) => {
    for (const target of all) {
      for (const resource of target.selector ? resources.select(target.selector) : resources.resources()) {
        if (!resource.node) continue
        if (target.fieldPath !== 'metadata/namespace') setValue(resource.node, value, target)
        else
          setNamespace(resource.node, resource.currentId().clusterScoped, {
            namespace: value,
            specs: [],
            unsetOnly: false,
            subjects: 'defaultOnly',
          })
      }
    }
  }
}

function targetsFromFile(path: string, loader: Loader): readonly ValueTarget[] {
  if (path === '') return []
  const value = loadFirst(loader.text(path), { dialect: 'sigs', file: loader.fileName(path) })
  return targetFile(value, { strict: false, coerce: true, path: '' }).targets
}

function setValue(node: Node, value: string, { fieldPath, filePathPosition }: ValueTarget): void {
  const field = lookupCreate(node, 'scalar', splitPath(`/${fieldPath}`, '/'))
  if (!field) return
  requireKind(field, 'scalar')
  const text = filePathPosition > 0 ? insertPart(field.value, filePathPosition - 1, value) : value
  setScalar(field, scalarNode(text))
}

/** Inserts a part into a path; in an absolute path the positions count from behind the first `/`. */
function insertPart(path: string, position: number, part: string): string {
  const parts = path === '' ? [] : path.split('/')
  const start = parts[0] === '' ? 1 : 0
  const at = Math.min(position, parts.length)
  parts.splice(at < parts.length ? at + start : at, 0, part)
  return parts.join('/')
}
