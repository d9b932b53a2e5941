/** Git repositories made with the git program: bare, commits written without a work tree, the same bytes every time. */
import { readdir, readFile, rm } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { run, temporaryDirectory } from './processes.ts'

/** Content of one file; `null` removes it. */
export type FileContent = string | Uint8Array | null | { readonly symlink: string } | { readonly executable: string }

export type Files = Readonly<Record<string, FileContent>>

export interface CommitOptions {
  /** `main` when absent; made if it does not exist. */
  readonly branch?: string
  /** Begins a new branch here, or one without history when `null`. */
  readonly from?: string | null
  /** Seconds since the epoch; a minute after the last commit of this object when absent, so that ids are the same every time. */
  readonly date?: number
  /** Removes every file that is not among these. */
  readonly onlyThese?: boolean
}

const someone = 'Sluice Tests <tests@sluice.example>'

/** A user's configuration must not change what is committed. */
const environment = {
  ...process.env,
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'Sluice Tests',
  GIT_AUTHOR_EMAIL: 'tests@sluice.example',
  GIT_COMMITTER_NAME: 'Sluice Tests',
  GIT_COMMITTER_EMAIL: 'tests@sluice.example',
}

/** A bare repository on disk. */
export class Repository {
  readonly directory: string
  /** As the Git server serves it. */
  readonly name: string
  #date = Date.UTC(2026, 0, 1) / 1000

  private constructor(root: string, name: string) {
    this.directory = join(root, `${name}.git`)
    this.name = name
  }

  /** Makes an empty repository `<root>/<name>.git` whose HEAD is `main`. */
  static async create(root: string, name: string): Promise<Repository> {
    const repository = new Repository(root, name)
    await run('git', ['init', '--quiet', '--bare', '--initial-branch=main', repository.directory], { env: environment })
    return repository
  }

  /** Writes a commit and returns its id. Files that are not named stay as they are. */
  async commit(files: Files, message: string, options: CommitOptions = {}): Promise<string> {
    const branch = options.branch ?? 'main'
    this.#date = options.date ?? this.#date + 60
    const parent = options.from === undefined ? await this.find(`refs/heads/${branch}`) : options.from
    const stream = commitStream({ branch, parent: parent ?? undefined, date: this.#date, message, files, clear: options.onlyThese })
    await run('git', ['-C', this.directory, 'fast-import', '--quiet', '--force'], { input: stream, env: environment })
    return this.head(branch)
  }

  /** The id of a branch's last commit. */
  head(branch = 'main'): Promise<string> {
    return this.git('rev-parse', '--verify', `refs/heads/${branch}`)
  }

  /** The id that a revision stands for, if it exists. */
  async find(revision: string): Promise<string | undefined> {
    return this.git('rev-parse', '--verify', '--quiet', `${revision}^{commit}`).catch(() => undefined)
  }

  /** A light tag, or an annotated one when there is a message. */
  async tag(name: string, { message, at = 'main' }: { message?: string; at?: string } = {}): Promise<void> {
    await this.git('tag', '--force', ...(message === undefined ? [] : ['--annotate', '--message', message]), name, at)
  }

  /** Makes a branch, or moves it (as a forced push does). */
  async branch(name: string, at = 'main'): Promise<void> {
    await this.git('update-ref', `refs/heads/${name}`, await this.git('rev-parse', '--verify', `${at}^{commit}`))
  }

  /** Points any reference, such as `refs/pull/7/head`, at a revision. */
  async reference(name: string, at = 'main'): Promise<void> {
    await this.git('update-ref', name, await this.git('rev-parse', '--verify', at))
  }

  async deleteReference(name: string): Promise<void> {
    await this.git('update-ref', '-d', name)
  }

  /** `git revert` of a commit, on `main`; returns the new head. */
  async revert(commit = 'main'): Promise<string> {
    const id = await this.git('rev-parse', '--verify', commit)
    const workTree = await temporaryDirectory('revert')
    await this.git('worktree', 'add', '--quiet', '--force', workTree, 'main')
    await this.git('-C', workTree, 'revert', '--no-edit', id)
    await this.git('worktree', 'remove', '--force', workTree)
    return this.head()
  }

  /** Any git command in the repository; returns its output without the last line's end. */
  async git(...args: string[]): Promise<string> {
    const date = `${this.#date} +0000`
    const env = { ...environment, GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date }
    return (await run('git', ['-C', this.directory, ...args], { env })).trimEnd()
  }

  /** Removes it from the disk: the server then answers 404. */
  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true })
  }
}

/** All files below a folder, by their paths with `/`. */
export async function filesBelow(folder: string): Promise<Record<string, Uint8Array>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const files = await Promise.all(
    paths.map(async (path) => [relative(folder, path).replaceAll(sep, '/'), await readFile(path)] as const),
  )
  return Object.fromEntries(files)
}

/** The input of `git fast-import` for one commit. */
function commitStream(about: {
  branch: string
  parent: string | undefined
  date: number
  message: string
  files: Files
  clear: boolean | undefined
}): Uint8Array {
  const parts: (string | Uint8Array)[] = [
    `commit refs/heads/${about.branch}\n`,
    `author ${someone} ${about.date} +0000\ncommitter ${someone} ${about.date} +0000\n`,
    ...data(about.message),
    about.parent === undefined ? '' : `from ${about.parent}\n`,
    about.clear ? 'deleteall\n' : '',
    ...Object.entries(about.files).flatMap(([path, content]) => change(path, content)),
  ]
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)))
}

function change(path: string, content: FileContent): (string | Uint8Array)[] {
  const quoted = `"${path.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`
  if (content === null) return [`D ${quoted}\n`]
  if (typeof content === 'string' || content instanceof Uint8Array) return [`M 100644 inline ${quoted}\n`, ...data(content)]
  if ('symlink' in content) return [`M 120000 inline ${quoted}\n`, ...data(content.symlink)]
  return [`M 100755 inline ${quoted}\n`, ...data(content.executable)]
}

function data(content: string | Uint8Array): (string | Uint8Array)[] {
  return [`data ${Buffer.byteLength(content)}\n`, content, '\n']
}
