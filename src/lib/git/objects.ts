/** Commits, tags and trees. Source: gitformat-commit, git-mktag(1), git-ls-tree(1). */
import { GitError } from './errors.ts'

export interface Commit {
  readonly tree: string
  /** Seconds since the epoch. */
  readonly committedAt: number
  readonly message: string
}

/** What an annotated tag points to. */
export interface Tag {
  readonly target: string
  readonly type: string
}

export interface TreeItem {
  /** As bytes: names need not be text. */
  readonly name: Buffer
  /** `link` is a symbolic link, `submodule` a commit of another repository. */
  readonly type: 'file' | 'executable' | 'directory' | 'link' | 'submodule'
  readonly id: string
}

/** @throws GitError `protocol`. */
export function parseCommit(content: Buffer): Commit {
  const { headers, message } = parseHeaders(content)
  const tree = headers.get('tree')
  if (!tree) throw new GitError('protocol', 'a commit names no tree')
  const committedAt = Number(/> (-?\d+) [-+]\d+$/.exec(headers.get('committer') ?? '')?.[1] ?? 0)
  return { tree, committedAt, message }
}

/** @throws GitError `protocol`. */
export function parseTag(content: Buffer): Tag {
  const { headers } = parseHeaders(content)
  const target = headers.get('object')
  if (!target) throw new GitError('protocol', 'a tag names no object')
  return { target, type: headers.get('type') ?? '' }
}

/** Of a header that stands there twice the first counts. */
function parseHeaders(content: Buffer): { headers: Map<string, string>; message: string } {
  const text = content.toString('utf8')
  const end = text.indexOf('\n\n')
  const headers = new Map<string, string>()
  for (const line of text.slice(0, end < 0 ? undefined : end).split('\n')) {
    const space = line.indexOf(' ')
    const name = line.slice(0, space)
    if (space > 0 && !headers.has(name)) headers.set(name, line.slice(space + 1))
  }
  return { headers, message: end < 0 ? '' : text.slice(end + 2) }
}

const space = 0x20

/** @throws GitError `protocol`. */
export function parseTree(content: Buffer): TreeItem[] {
  const items: TreeItem[] = []
  for (let at = 0; at < content.length; ) {
    const nameAt = content.indexOf(space, at) + 1
    const nameEnd = content.indexOf(0, nameAt)
    if (nameAt === 0 || nameEnd < 0 || nameEnd + 21 > content.length) throw new GitError('protocol', 'a tree is damaged')
    const type = typeOfMode(content.toString('latin1', at, nameAt - 1))
    items.push({ name: content.subarray(nameAt, nameEnd), type, id: content.toString('hex', nameEnd + 1, nameEnd + 21) })
    at = nameEnd + 21
  }
  return items
}

function typeOfMode(mode: string): TreeItem['type'] {
  switch (Number.parseInt(mode, 8) & 0o170000) {
    case 0o040000:
      return 'directory'
    case 0o100000:
      return Number.parseInt(mode, 8) & 0o100 ? 'executable' : 'file'
    case 0o120000:
      return 'link'
    case 0o160000:
      return 'submodule'
    default:
      throw new GitError('protocol', `a tree holds an entry of the unknown mode ${JSON.stringify(mode)}`)
  }
}
