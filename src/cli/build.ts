/** `sluice build [DIR]`: kustomize's command of that name, with its flags. Source: kustomize/commands/build. */
import { statSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { wholeDisk } from '../lib/disk-tree.ts'
import {
  type BuildOptions,
  type BuildResult,
  build,
  type ChartOptions,
  type LoadRestrictor,
  type RemoteLoader,
  type Reorder,
  repoSpecOf,
} from '../lib/kustomize/index.ts'

interface Flag {
  readonly type: 'bool' | 'text' | 'list'
  readonly help: string
  readonly short?: string
  /** The values that it may have, the default first. */
  readonly oneOf?: readonly string[]
  /** What kustomize says of its use. */
  readonly deprecated?: string
  /** Why it is not taken. */
  readonly refused?: string
}

const noPrograms = 'builds run no programs and no containers: use the built-in generators and transformers'
const ownCharts = 'charts are rendered by this program itself'
const legal = {
  restrictor: ['LoadRestrictionsRootOnly', 'LoadRestrictionsNone'],
  reorder: ['legacy', 'none'],
} as const satisfies { restrictor: readonly LoadRestrictor[]; reorder: readonly Reorder[] }

const flags = new Map<string, Flag>([
  ['output', { type: 'text', short: 'o', help: 'write to this file, or one file for each object into this folder' }],
  [
    'load-restrictor',
    { type: 'text', oneOf: legal.restrictor, help: 'whether files outside of the folder that names them may be loaded' },
  ],
  [
    'reorder',
    {
      type: 'text',
      oneOf: legal.reorder,
      help: 'order of the output',
      deprecated: "use the new 'sortOptions' field in kustomization.yaml instead.",
    },
  ],
  [
    'enable-managedby-label',
    {
      type: 'bool',
      help: 'add the label app.kubernetes.io/managed-by',
      deprecated:
        'The flag `enable-managedby-label` has been deprecated. Use the `managedByLabel` option in the `buildMetadata` field instead.',
    },
  ],
  ['help', { type: 'bool', short: 'h', help: 'print this' }],
  ...refused(noPrograms, {
    bool: ['enable-alpha-plugins', 'enable-exec', 'network', 'as-current-user'],
    text: ['network-name', 'mount', 'env'],
  }),
  ['enable-helm', { type: 'bool', help: 'render helmCharts' }],
  ['helm-kube-version', { type: 'text', help: 'version of Kubernetes that charts are rendered for' }],
  ['helm-api-versions', { type: 'list', help: 'API versions that charts are rendered for (repeatable)' }],
  ...refused(ownCharts, { bool: ['helm-debug'], text: ['helm-command'] }),
])

function refused(why: string, names: { bool: readonly string[]; text: readonly string[] }): [string, Flag][] {
  const flag = (type: Flag['type']) => (name: string) =>
    [name, { type, help: '', refused: why, ...(name === 'env' && { short: 'e' }) }] satisfies [string, Flag]
  return [...names.bool.map(flag('bool')), ...names.text.map(flag('text'))]
}

interface CommandLine {
  readonly values: ReadonlyMap<string, string>
  readonly directory: string
}

/** Prints the objects, warnings on standard error. @throws Error for wrong flags, and what the build throws. */
export async function runBuild(args: readonly string[]): Promise<void> {
  const { values, directory } = readArguments(args)
  if (values.get('help') === 'true') return print(usage())
  for (const [name, { deprecated }] of flags)
    if (deprecated !== undefined && values.has(name)) console.error(`Flag --${name} has been deprecated, ${deprecated}`)

  const target = repoSpecOf(directory) ? directory : resolve(directory)
  const result = await build(wholeDisk(), target, {
    ...optionsOf(values),
    wholeDisk: true,
    remote: network(),
    ...(values.get('enable-helm') === 'true' && { charts: await charts(values) }),
  })
  for (const warning of result.warnings) console.error(warning)
  await write(result, values.get('output') ?? '')
}

async function charts(values: ReadonlyMap<string, string>): Promise<ChartOptions> {
  const [{ chartEngine }, { localEnvironment }] = await Promise.all([import('../lib/chart/index.ts'), import('./environment.ts')])
  return {
    engine: chartEngine(localEnvironment),
    kubeVersion: values.get('helm-kube-version') ?? '',
    apiVersions: (values.get('helm-api-versions') ?? '').split(',').filter((version) => version !== ''),
  }
}

/** Its module is loaded when it is needed first. What it holds open ends with the process. */
function network(): RemoteLoader {
  const { signal } = new AbortController()
  const open = async () => {
    const { Remotes } = await import('../kustomize/remote.ts')
    return new Remotes({ signal, timeoutMs: Number.MAX_SAFE_INTEGER })
  }
  let remotes: ReturnType<typeof open> | undefined
  return async (request) => {
    remotes ??= open()
    return (await remotes).load(request)
  }
}

function readArguments(args: readonly string[]): CommandLine {
  const values = new Map<string, string>()
  const directories: string[] = []
  const rest = [...args]
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === '--') directories.push(...rest.splice(0))
    else if (arg.length > 1 && arg.startsWith('-')) take(values, ...readFlag(arg, rest))
    else directories.push(arg)
  }
  if (directories.length > 1) throw new Error('specify one path to kustomization.yaml')
  const [directory = '.'] = directories
  if (directory === '') throw new Error('must build at directory: directory path cannot be empty')
  return { values, directory }
}

function take(values: Map<string, string>, name: string, value: string): void {
  const before = flags.get(name)?.type === 'list' ? values.get(name) : undefined
  values.set(name, before === undefined ? value : `${before},${value}`)
}

function readFlag(arg: string, rest: string[]): [string, string] {
  const isLong = arg.startsWith('--')
  const [given = '', ...more] = isLong ? arg.slice(2).split('=') : [arg.charAt(1), arg.slice(2).replace(/^=/, '')]
  const [name, flag] = [...flags].find(([long, { short }]) => (isLong ? long : short) === given) ?? []
  const shown = isLong ? `--${given}` : `-${given}`
  if (name === undefined || !flag) throw new Error(`unknown flag: ${shown}`)
  const attached = isLong ? arg.includes('=') : more[0] !== ''
  const value = attached ? more.join('=') : flag.type === 'bool' ? 'true' : rest.shift()
  if (value === undefined) throw new Error(`flag needs an argument: ${shown}`)
  check(name, flag, value)
  return [name, value]
}

function check(name: string, { type, oneOf, refused: why }: Flag, value: string): void {
  if (type === 'bool' && value !== 'true' && value !== 'false')
    throw new Error(`invalid argument "${value}" for --${name}: must be true or false`)
  if (oneOf && !oneOf.includes(value)) throw new Error(`illegal flag value --${name} ${value}; legal values: [${oneOf.join(' ')}]`)
  if (why !== undefined && !(type === 'bool' && value === 'false')) throw new Error(`--${name} is not supported: ${why}`)
}

function optionsOf(values: ReadonlyMap<string, string>): BuildOptions {
  const loadRestrictor = legal.restrictor.find((value) => value === values.get('load-restrictor'))
  const reorder = legal.reorder.find((value) => value === values.get('reorder'))
  return {
    ...(loadRestrictor && { loadRestrictor }),
    ...(reorder && { reorder }),
    addManagedByLabel: values.get('enable-managedby-label') === 'true',
  }
}

async function write(result: BuildResult, output: string): Promise<void> {
  if (output === '') return print(result.yaml())
  if (!statSync(output, { throwIfNoEntry: false })?.isDirectory()) return writeFile(output, result.yaml())
  for (const [name, text] of result.yamlFiles()) {
    if (name.includes('/')) throw new Error(`"${name}" is no name for a file: the object's name has a slash`)
    await writeFile(join(output, name), text)
  }
}

function print(text: string): Promise<void> {
  return new Promise((done, fail) => process.stdout.write(text, (error) => (error ? fail(error) : done())))
}

function usage(): string {
  const lines = [...flags]
    .filter(([, { refused: why }]) => why === undefined)
    .map(([name, { short, oneOf, help }]) => {
      const names = `${short === undefined ? '    ' : `-${short}, `}--${name}`
      return `  ${names.padEnd(28)} ${help}${oneOf ? ` (${oneOf.join(' or ')})` : ''}`
    })
  const about = 'Builds the kustomization in a directory (the current one if none is given) or in a folder of a Git repository.'
  return ['Usage: sluice build [DIR | URL] [flags]', '', about, '', 'Flags:', ...lines, ''].join('\n')
}
