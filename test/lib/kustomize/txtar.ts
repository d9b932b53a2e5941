/** Fixtures of builds: one file holds a tree and what the real kustomize makes of it. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
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

const NO_NEWLINE = ' (no newline at its end)'

/**
 * All fixtures. A file begins with `# title` and `# target: folder`; each part of it with `-- path --`, or with
 * `-- path (no newline at its end) --`.
 */
export function readFixtures(): Fixture[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.txtar'))
    .sort()
    .map((name) => readFixture(`${FOLDER}/${name}`))
}

function readFixture(path: string): Fixture {
  const [head = '', ...parts] = readFileSync(path, 'utf8').split(/^-- (.+) --\n/m)
  const files = new Map<string, string>()
  for (let i = 0; i < parts.length; i += 2) {
    const [name = '', content = ''] = [parts[i], parts[i + 1]]
    if (name.endsWith(NO_NEWLINE)) files.set(name.slice(0, -NO_NEWLINE.length), content.slice(0, -1))
    else files.set(name, content)
  }
  const [yaml, error] = [files.get('expected.yaml'), files.get('expected-error.txt')]
  files.delete('expected.yaml')
  files.delete('expected-error.txt')
  const title = /^# (.+)$/m.exec(head)?.[1] ?? path
  const target = /^# target: (.+)$/m.exec(head)?.[1] ?? '.'
  return { path, title, target, files, yaml, error }
}

/** Writes a new fixture; its path. */
export function writeFixture(name: string, fixture: Omit<Fixture, 'path'>): string {
  const path = `${FOLDER}/${name}.txtar`
  const parts = [...fixture.files].map(([file, content]) =>
    content === '' || content.endsWith('\n') ? `-- ${file} --\n${content}` : `-- ${file}${NO_NEWLINE} --\n${content}\n`,
  )
  const text = `# ${fixture.title}\n# target: ${fixture.target}\n${parts.join('')}`
  const [part, content] = fixture.yaml === undefined ? ['expected-error.txt', fixture.error] : ['expected.yaml', fixture.yaml]
  writeFileSync(path, withExpectation(text, part, content ?? ''))
  return path
}

/** The text of a fixture file with new expectations. */
export function withExpectation(text: string, part: string, content: string): string {
  const kept = text.replace(/^-- expected(?:\.yaml|-error\.txt) --\n[\s\S]*$/m, '')
  return `${kept}-- ${part} --\n${content}${content.endsWith('\n') ? '' : '\n'}`
}
