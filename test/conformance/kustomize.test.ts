import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { diskTree } from '../../src/lib/disk-tree.ts'
import { messageOf } from '../../src/lib/errors.ts'
import { build, type LoadRestrictor, type Reorder } from '../../src/lib/kustomize/index.ts'
import { cleanPath } from '../../src/lib/tree.ts'

const CASES = fileURLToPath(new URL('../../../shared/conformance/kustomize', import.meta.url))
const REQUIRED_SHARE = 1

interface Case {
  readonly name: string
  readonly target: string
  readonly options: { readonly loadRestrictor: LoadRestrictor; readonly reorder: Reorder; readonly addManagedbyLabel?: boolean }
  readonly expect: 'output' | 'error'
  readonly errorContains?: readonly string[] | null
}

/** What is wrong with the build of one case; undefined when nothing is. */
async function problemOf(folder: string): Promise<string | undefined> {
  const test: Case = JSON.parse(readFileSync(`${folder}/case.json`, 'utf8'))
  const { loadRestrictor, reorder, addManagedbyLabel = false } = test.options
  if (!existsSync(`${folder}/input`)) return test.expect === 'error' ? undefined : `${test.name}: no input`
  try {
    const target = cleanPath(test.target) ?? ''
    const result = await build(diskTree(`${folder}/input`), target, {
      loadRestrictor,
      reorder,
      addManagedByLabel: addManagedbyLabel,
    })
    if (test.expect === 'error') return `${test.name}: built, where an error is wanted`
    return result.yaml() === readFileSync(`${folder}/expected.yaml`, 'utf8') ? undefined : `${test.name}: other output`
  } catch (error) {
    const message = messageOf(error)
    if (test.expect === 'output') return `${test.name}: ${message}`
    const missing = test.errorContains?.find((text) => !message.includes(text))
    return missing === undefined ? undefined : `${test.name}: error without ${JSON.stringify(missing)}: ${message}`
  }
}

it('builds the shared conformance cases as kustomize does', async (context) => {
  if (!existsSync(CASES)) context.skip('the shared conformance cases are not here')
  const folders = readdirSync(CASES).filter((name) => existsSync(`${CASES}/${name}/case.json`))
  const problems: string[] = []
  for (const name of folders) {
    const problem = await problemOf(`${CASES}/${name}`)
    if (problem !== undefined) problems.push(problem)
  }
  expect(folders.length).toBeGreaterThan(300)
  expect(problems.slice(0, Math.floor(problems.length - folders.length * (1 - REQUIRED_SHARE)))).toEqual([])
})
