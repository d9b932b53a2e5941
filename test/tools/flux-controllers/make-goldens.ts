/**
 * Makes src/kube/native-types.generated.ts, and what is expected in test/kube/native.json, with the Go program in normalize/, which calls
 * Flux's own code. `npx node <this file>`.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../../..')

function normalize(what: 'types' | 'lines', input = ''): string {
  const options = { cwd: import.meta.dirname, input, encoding: 'utf8', maxBuffer: 1 << 28 } as const
  return execFileSync('go', ['run', './normalize', what], options).trimEnd()
}

const types = `// Made by test/tools/flux-controllers/make-goldens.ts: do not edit.
export const nativeTypes: {
  readonly kinds: Readonly<Record<string, number>>
  readonly types: readonly Readonly<Record<string, string>>[]
} = ${normalize('types')}
`
writeFileSync(join(root, 'src/kube/native-types.generated.ts'), types)

const file = join(root, 'test/kube/native.json')
const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: { name: string; object: object }[] }
const outputs = normalize('lines', cases.map(({ object }) => `${JSON.stringify(object)}\n`).join('')).split('\n')
const lines = cases.map(({ name, object }, index) => JSON.stringify({ name, object, typed: JSON.parse(outputs[index] ?? '') }))
writeFileSync(file, `{"cases":[\n${lines.join(',\n')}\n]}\n`)
