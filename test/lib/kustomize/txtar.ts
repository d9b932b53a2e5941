/** Fixtures of builds: one file holds a tree and what the real kustomize makes of it. */

import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface Fixture {
  readonly path: string
  readonly title: string
  /** Folder to build. */
  readonly target: string
  readonly files: ReadonlyMap<string, string>
  /** What kustomize prints; undefined when it fails. */
  readonly yaml: string | undefined
  /** kustomize's own words, for reading. */
  readonly error: string | undefined
}

const FOLDER = fileURLToPath(new URL('./fixtures', import.meta.url))

/** All fixtures. A file begins with `# title` and `# target: folder`; each part of it with `-- path --`. */
export function readFixtures(): Fixture[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.txtar'))
    .sort()
    .map((name) => readFixture(`${FOLDER}/${name}`))
}

function readFixture(path: string): Fixture {
  const [head = '', ...parts] = readFileSync(path, 'utf8').split(/^-- (.+) --\n/m)
  const files = new Map<string, string>()
  for (let i = 0; i < parts.length; i += 2) files.set(parts[i] ?? '', parts[i + 1] ?? '')
  const [yaml, error] = [files.get('expected.yaml'), files.get('expected-error.txt')]
  files.delete('expected.yaml')
  files.delete('expected-error.txt')
  const title = /^# (.+)$/m.exec(head)?.[1] ?? path
  const target = /^# target: (.+)$/m.exec(head)?.[1] ?? '.'
  return { path, title, target, files, yaml, error }
}

/** The text of a fixture file with new expectations. */
export function withExpectation(text: string, part: string, content: string): string {
  const kept = text.replace(/^-- expected(?:\.yaml|-error\.txt) --\n[\s\S]*$/m, '')
  return `${kept}-- ${part} --\n${content}${content.endsWith('\n') ? '' : '\n'}`
}
