/**
 * A long-lived process that builds kustomizations on request: JSON lines in, JSON lines out.
 * Request: {"id", "dir", "root", "options"}; answer: {"id", "ok": true, "yaml"} or {"id", "ok": false, "error"}.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { createInterface } from 'node:readline'
import { messageOf } from '../../src/lib/errors.ts'
import { build, type LoadRestrictor, type Reorder } from '../../src/lib/kustomize/index.ts'
import type { Tree } from '../../src/lib/tree.ts'

interface Request {
  readonly id: number
  readonly dir: string
  readonly root: string
  readonly options: { readonly loadRestrictor: LoadRestrictor; readonly reorder: Reorder; readonly addManagedbyLabel?: boolean }
}

for await (const line of createInterface({ input: process.stdin })) {
  const request: Request = JSON.parse(line)
  process.stdout.write(`${JSON.stringify({ id: request.id, ...(await answer(request)) })}\n`)
}

async function answer({ dir, root, options }: Request): Promise<object> {
  try {
    const result = await build(folderTree(root), relative(root, dir), {
      loadRestrictor: options.loadRestrictor,
      reorder: options.reorder,
      addManagedByLabel: options.addManagedbyLabel ?? false,
    })
    return { ok: true, yaml: result.yaml() }
  } catch (error) {
    return { ok: false, error: messageOf(error) }
  }
}

/** A folder of the disk as a tree. */
function folderTree(root: string): Tree {
  return {
    read: (path) => attempt(() => readFileSync(`${root}/${path}`)),
    list: (path) =>
      attempt(() =>
        readdirSync(`${root}/${path}`, { withFileTypes: true }).map((entry) => ({
          name: entry.name,
          type: entry.isDirectory() ? ('directory' as const) : ('file' as const),
        })),
      ),
  }
}

function attempt<T>(action: () => T): T | undefined {
  try {
    return action()
  } catch {
    return undefined
  }
}
