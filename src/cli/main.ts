/** The command line: `sluice <verb> …`. */
import { messageOf } from '../lib/errors.ts'

interface Verb {
  readonly summary: string
  /** Loads the verb's own modules only. */
  run(args: readonly string[]): Promise<void>
}

const verbs = new Map<string, Verb>([
  ['controller', { summary: 'run the operator (--help lists its flags)', run: controller }],
  ['build', { summary: 'print what `kustomize build` prints', run: build }],
  ['template', { summary: 'print what `helm template` prints', run: template }],
])

async function controller(args: readonly string[]): Promise<void> {
  const stop = new AbortController()
  // A second signal ends the process at once, as users expect of Ctrl-C.
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort(new Error(`received ${name}`)))
  const { runController } = await import('../main.ts')
  await runController(args, {
    env: process.env,
    workerEntry: workerEntry(),
    signal: stop.signal,
    print: (text) => console.log(text),
  })
}

async function build(args: readonly string[]): Promise<void> {
  const { runBuild } = await import('./build.ts')
  await runBuild(args)
}

async function template(args: readonly string[]): Promise<void> {
  const { runTemplate } = await import('./template.ts')
  await runTemplate(args)
}

/** Beside this file in the bundle, one folder up in the sources. */
function workerEntry(): URL {
  return import.meta.filename.endsWith('.ts') ? new URL('../worker.ts', import.meta.url) : new URL('./worker.mjs', import.meta.url)
}

function usage(): string {
  const lines = [...verbs].map(([name, { summary }]) => `  ${name.padEnd(12)} ${summary}`)
  return ['Usage: sluice <command> [flags]', '', 'Commands:', ...lines].join('\n')
}

async function main([name, ...args]: readonly string[]): Promise<void> {
  const verb = verbs.get(name ?? '')
  if (verb) return verb.run(args)
  if (name === undefined || name === 'help' || name === '--help') return console.log(usage())
  throw new Error(`unknown command "${name}"\n\n${usage()}`)
}

try {
  await main(process.argv.slice(2))
  process.exit()
} catch (error) {
  console.error(`sluice: ${messageOf(error)}`)
  process.exit(1)
}
