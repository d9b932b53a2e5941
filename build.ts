/** Bundles what the image and the `sluice` command run: one file for the program, one for its worker threads. */
import { rm } from 'node:fs/promises'
import { build } from 'esbuild'

// Some dependencies are CommonJS and require Node's own modules.
const requireForCommonJs = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"

await rm('dist', { recursive: true, force: true })
await build({
  entryPoints: { sluice: 'src/cli/main.ts', worker: 'src/worker.ts' },
  outdir: 'dist',
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  sourcemap: true,
  legalComments: 'linked',
  banner: { js: `#!/usr/bin/env node\n${requireForCommonJs}` },
  logLevel: 'info',
})
