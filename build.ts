/**
 * Bundles what the image and the `sluice` command run: `dist/sluice.mjs`, `dist/worker.mjs` for its threads, and pieces beside them
 * that are loaded when they are needed (the largest by far, only for kubeconfigs with a login of their own). Then the engines
 * for other programs: `dist/kustomize.mjs` and `dist/helm.mjs`, with their types in `dist/types`. `node build.ts FOLDER` writes to
 * another folder than `dist`; with `--program`, as the image wants it, the engines are left out.
 */
import { execFileSync } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'

// Some dependencies are CommonJS and require Node's own modules.
const requireForCommonJs = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"

const { values, positionals } = parseArgs({ options: { program: { type: 'boolean', default: false } }, allowPositionals: true })
const [folder = 'dist'] = positionals
await rm(folder, { recursive: true, force: true })
await build({
  entryPoints: { sluice: 'src/cli/main.ts', worker: 'src/worker.ts' },
  outdir: folder,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  chunkNames: 'parts/[name]-[hash]',
  platform: 'node',
  format: 'esm',
  target: 'node24',
  sourcemap: true,
  legalComments: 'linked',
  banner: { js: `#!/usr/bin/env node\n${requireForCommonJs}` },
  logLevel: 'info',
})
if (!values.program) await buildEngines()

async function buildEngines(): Promise<void> {
  await build({
    entryPoints: { kustomize: 'src/lib/kustomize/package.ts', helm: 'src/lib/chart/package.ts' },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    legalComments: 'linked',
    banner: { js: requireForCommonJs },
    logLevel: 'info',
  })
  execFileSync('tsc', ['--project', 'tsconfig.types.json', '--outDir', `${folder}/types`], { stdio: 'inherit' })
}
