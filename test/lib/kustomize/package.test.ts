import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const run = promisify(execFile)

const PROGRAM = `import { BuildError, type BuildResult, build, memoryTree, ParseCache } from 'sluice/kustomize'

const files: [string, string][] = [
  ['kustomization.yaml', 'resources: [a.yaml]\\nnamePrefix: p-\\n'],
  ['a.yaml', 'apiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: a}\\n'],
]
const result: BuildResult = await build(memoryTree(files), '', { cache: new ParseCache(1_000_000) })
console.log(result.yaml())
await build(memoryTree([]), '').catch((error: unknown) => console.log(error instanceof BuildError))
`

it('another program can install the engine, with its types', async () => {
  const root = await mkdtemp(join(tmpdir(), 'sluice-package-'))
  try {
    const installed = join(root, 'node_modules/sluice')
    await mkdir(installed, { recursive: true })
    await cp(join(ROOT, 'package.json'), join(installed, 'package.json'))
    // A dependency of ours, which an installation brings; the types mention it.
    await symlink(join(ROOT, 'node_modules/re2js'), join(root, 'node_modules/re2js'))
    const path = `${join(ROOT, 'node_modules/.bin')}:${process.env.PATH}`
    await run(process.execPath, ['build.ts', join(installed, 'dist')], { cwd: ROOT, env: { ...process.env, PATH: path } })

    await writeFile(join(root, 'package.json'), '{"type": "module"}')
    await writeFile(join(root, 'program.ts'), PROGRAM)
    const { stdout } = await run(process.execPath, ['program.ts'], { cwd: root })
    expect(stdout).toBe('apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: p-a\n\ntrue\n')

    const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2024', '--types', 'node']
    const roots = ['--typeRoots', join(ROOT, 'node_modules/@types')]
    await run(join(ROOT, 'node_modules/.bin/tsc'), [...options, ...roots, 'program.ts'], { cwd: root }).catch((error) => {
      throw new Error(`the types do not fit: ${error.stdout}`)
    })
  } finally {
    await rm(root, { recursive: true })
  }
})
