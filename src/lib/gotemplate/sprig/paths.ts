/** sprig's path functions. Those for the system's paths are the same: Helm's are made for a Unix. Source: Go path. */

import { type Func, func, p } from '../func.ts'
import { prefixed } from './text.ts'

export function pathFunctions(): ReadonlyMap<string, Func> {
  const byName: Record<string, Func> = {
    base: func([p.string], p.string, base),
    dir: func([p.string], p.string, dir),
    clean: func([p.string], p.string, clean),
    ext: func([p.string], p.string, ext),
    isAbs: func([p.string], p.bool, (path) => path.startsWith('/')),
  }
  return new Map(
    Object.entries(byName).flatMap(([name, each]): [string, Func][] => [
      [name, each],
      [prefixed('os', name), each],
    ]),
  )
}

function base(path: string): string {
  if (path === '') return '.'
  let end = path.length
  while (end > 0 && path[end - 1] === '/') end--
  const name = path.slice(path.lastIndexOf('/', end - 1) + 1, end)
  return end === 0 ? '/' : name
}

function dir(path: string): string {
  return clean(path.slice(0, path.lastIndexOf('/') + 1))
}

function ext(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const dot = name.lastIndexOf('.')
  return dot < 0 ? '' : name.slice(dot)
}

/** Resolves `.`, `..` and doubled slashes by text alone. Source: Go path.Clean. */
function clean(path: string): string {
  const isRooted = path.startsWith('/')
  const kept: string[] = []
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') kept.push(part)
    else if (kept.length > 0 && kept.at(-1) !== '..') kept.pop()
    else if (!isRooted) kept.push(part)
  }
  return (isRooted ? '/' : '') + kept.join('/') || '.'
}
