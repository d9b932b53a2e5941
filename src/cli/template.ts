/** `sluice template [NAME] CHART`: Helm's command of that name, with its flags. Source: helm pkg/cmd/template.go, install.go. */
import { appendFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import {
  type Chart,
  checkInstallable,
  defaultCapabilities,
  loadChart,
  mergeValues,
  printRendered,
  RenderError,
  type Rendered,
  renderFiles,
  selectManifests,
  sortRendered,
  writtenFiles,
} from '../lib/chart/index.ts'
import { wholeDisk } from '../lib/disk-tree.ts'
import { messageOf } from '../lib/errors.ts'
import type { Tree } from '../lib/tree.ts'
import { localEnvironment } from './environment.ts'

interface Flag {
  readonly type: 'bool' | 'text' | 'list' | 'commas'
  readonly help?: string
  readonly short?: string
  /** Why it is not taken. */
  readonly refused?: string
}

const noNetwork = 'this command reads charts of the disk and reaches no repository, registry or cluster'
const noPrograms = 'no programs are run'

const flags = new Map<string, Flag>([
  ['values', { type: 'commas', short: 'f', help: 'values in a YAML file (- for standard input)' }],
  ['set', { type: 'list', help: 'values as key1=val1,key2=val2' }],
  ['set-string', { type: 'list', help: 'values that are texts' }],
  ['set-json', { type: 'list', help: 'values as key=JSON, or a JSON object' }],
  ['set-literal', { type: 'list', help: 'a value that is taken as it is' }],
  ['set-file', { type: 'list', help: 'values from files, as key=path' }],
  ['namespace', { type: 'text', short: 'n', help: 'namespace of the release' }],
  ['kube-version', { type: 'text', help: 'what .Capabilities.KubeVersion is' }],
  ['api-versions', { type: 'commas', short: 'a', help: 'more of .Capabilities.APIVersions' }],
  ['include-crds', { type: 'bool', help: 'print the files of crds/ folders too' }],
  ['is-upgrade', { type: 'bool', help: 'set .Release.IsUpgrade' }],
  ['no-hooks', { type: 'bool', help: 'leave hooks out' }],
  ['skip-tests', { type: 'bool', help: 'leave tests out' }],
  ['skip-schema-validation', { type: 'bool', help: 'do not check values against schemas' }],
  ['show-only', { type: 'list', short: 's', help: 'print only what these templates give' }],
  ['output-dir', { type: 'text', help: 'write files into this folder' }],
  ['release-name', { type: 'bool', help: 'put the name of the release into the paths of --output-dir' }],
  ['generate-name', { type: 'bool', short: 'g', help: 'make a name from that of the chart' }],
  ['debug', { type: 'bool', help: 'print what was rendered even when it is not valid' }],
  ['help', { type: 'bool', short: 'h', help: 'print this' }],
  // Without effect in helm template too.
  ...withoutEffect(),
  ...refused(noNetwork, 'bool', [
    'dependency-update',
    'devel',
    'enable-dns',
    'insecure-skip-tls-verify',
    'pass-credentials',
    'plain-http',
    'validate',
    'verify',
  ]),
  ...refused(noNetwork, 'text', ['ca-file', 'cert-file', 'key-file', 'keyring', 'password', 'repo', 'username', 'version']),
  ...refused(noPrograms, 'text', ['post-renderer', 'post-renderer-args', 'post-renderer-strategy']),
  ['name-template', { type: 'text', refused: 'give the name itself' }],
])

function withoutEffect(): [string, Flag][] {
  const bools = [
    'create-namespace',
    'disable-openapi-validation',
    'force',
    'force-conflicts',
    'force-replace',
    'hide-notes',
    'replace',
  ]
  const more = [
    'render-subchart-notes',
    'rollback-on-failure',
    'atomic',
    'server-side',
    'skip-crds',
    'take-ownership',
    'wait',
    'wait-for-jobs',
  ]
  const texts = ['description', 'labels', 'timeout']
  return [
    ...[...bools, ...more].map((name): [string, Flag] => [name, { type: 'bool' }]),
    ...texts.map((name): [string, Flag] => [name, { type: 'text', ...(name === 'labels' && { short: 'l' }) }]),
  ]
}

function refused(why: string, type: Flag['type'], names: readonly string[]): [string, Flag][] {
  return names.map((name) => [name, { type, refused: why }])
}

/** Prints what `helm template` prints; an error as `Error: …` on standard error, with exit status 1. */
export async function runTemplate(args: readonly string[]): Promise<void> {
  try {
    await template(new CommandLine(args))
  } catch (error) {
    const hint = error instanceof RenderError ? '\n\nUse --debug flag to render out invalid YAML' : ''
    console.error(`Error: ${messageOf(error)}${hint}`)
    process.exitCode = 1
  }
}

async function template(line: CommandLine): Promise<void> {
  if (line.has('help')) return print(usage())
  const { name, path } = nameAndChart(line)
  const values = mergeValues({
    files: line.list('values').map((file) => ({ name: file, content: readFileSync(file === '-' ? 0 : file) })),
    setJson: line.list('set-json'),
    set: line.list('set'),
    setString: line.list('set-string'),
    setFile: line.list('set-file'),
    setLiteral: line.list('set-literal'),
    readFile: (file) => readFileSync(file, 'utf8'),
  })
  const chart = openChart(path)
  checkInstallable(chart)
  const release = { name, namespace: line.text('namespace') ?? 'default', revision: 1, isUpgrade: line.has('is-upgrade') }
  const capabilities = {
    kubeVersion: line.text('kube-version') ?? defaultCapabilities.kubeVersion,
    apiVersions: [...defaultCapabilities.apiVersions, ...line.list('api-versions')],
  }
  const files = renderFiles(chart, values, release, capabilities, {
    environment: localEnvironment(),
    skipSchemaValidation: line.has('skip-schema-validation'),
  })
  for (const warning of files.warnings) console.error(warning)
  await output(sortRendered(files), line)
}

/** The release's name and the path of the chart. */
function nameAndChart(line: CommandLine): { name: string; path: string } {
  const [first, second, ...more] = line.words
  if (first === undefined) throw new Error('"sluice template" requires at least 1 argument')
  if (more.length > 0) throw new Error(`expected at most two arguments, unexpected arguments: ${more.join(', ')}`)
  if (second === undefined) return { name: line.has('generate-name') ? generatedName(first) : 'release-name', path: first }
  if (line.has('generate-name')) throw new Error('cannot set --generate-name and also specify a name')
  return { name: first, path: second }
}

function generatedName(path: string): string {
  const [base] = basename(path).split('.')
  return `${base || 'chart'}-${Math.floor(Date.now() / 1000)}`
}

function openChart(path: string): Chart {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (!stats) throw new Error(`path ${JSON.stringify(path)} not found`)
  const warn = (warning: string) => console.error(warning)
  if (stats.isDirectory()) return loadChart(folder(resolve(path)), { warn, directory: resolve(path) })
  return loadChart({ archive: readFileSync(path), file: path }, { warn })
}

/** A folder with its links followed, as Helm does with a chart of the user's own. */
function folder(root: string): Tree {
  const disk = wholeDisk()
  const at = (path: string) => (path === '' ? root : join(root, path)).slice(1)
  return { read: (path) => disk.read(at(path)), list: (path) => disk.list(at(path)) }
}

async function output(rendered: Rendered, line: CommandLine): Promise<void> {
  const options = { includeCrds: line.has('include-crds'), noHooks: line.has('no-hooks'), skipTests: line.has('skip-tests') }
  const directory = line.text('output-dir')
  if (directory !== undefined) {
    const inside = line.has('release-name') ? join(directory, nameAndChart(line).name) : directory
    for (const file of writtenFiles(rendered, options)) write(file.isCrd ? directory : inside, file)
    return print('\n')
  }
  const text = printRendered(rendered, options)
  const wanted = line.list('show-only')
  await print(wanted.length === 0 ? text : selectManifests(text, wanted))
}

function write(directory: string, { path, content, isFirst }: { path: string; content: string; isFirst: boolean }): void {
  const file = `${directory}/${path}`
  mkdirSync(dirname(file), { recursive: true })
  if (isFirst) writeFileSync(file, content)
  else appendFileSync(file, content)
  console.log(`wrote ${file}`)
}

/** Flags by their long names, and the other words. */
class CommandLine {
  readonly words: readonly string[]
  readonly #values: Map<string, string[]>

  constructor(args: readonly string[]) {
    const words: string[] = []
    this.#values = new Map()
    const rest = [...args]
    for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
      if (arg === '--') words.push(...rest.splice(0))
      else if (arg.length > 1 && arg.startsWith('-')) this.#add(...readFlag(arg, rest))
      else words.push(arg)
    }
    this.words = words
  }

  #add(name: string, value: string): void {
    const values = flags.get(name)?.type === 'commas' ? value.split(',') : [value]
    this.#values.set(name, [...this.list(name), ...values])
  }

  list(name: string): readonly string[] {
    return this.#values.get(name) ?? []
  }

  text(name: string): string | undefined {
    return this.list(name).at(-1)
  }

  has(name: string): boolean {
    return this.text(name) === 'true'
  }
}

function readFlag(arg: string, rest: string[]): [string, string] {
  const isLong = arg.startsWith('--')
  const given = isLong ? (arg.slice(2).split('=', 1)[0] ?? '') : arg.charAt(1)
  const attached = isLong ? arg.slice(2 + given.length) : arg.slice(2)
  const [name, flag] = [...flags].find(([long, { short }]) => (isLong ? long : short) === given) ?? []
  if (name === undefined || !flag)
    throw new Error(isLong ? `unknown flag: --${given}` : `unknown shorthand flag: '${given}' in ${arg}`)
  if (flag.refused !== undefined) throw new Error(`--${name} is not supported: ${flag.refused}`)
  if (attached !== '') return [name, attached.replace(/^=/, '')]
  if (flag.type === 'bool') return [name, 'true']
  const value = rest.shift()
  if (value === undefined) throw new Error(`flag needs an argument: ${isLong ? `--${given}` : `'${given}' in ${arg}`}`)
  return [name, value]
}

function print(text: string): Promise<void> {
  return new Promise((done, fail) => process.stdout.write(text, (error) => (error ? fail(error) : done())))
}

function usage(): string {
  const lines = [...flags].flatMap(([name, { short, help }]) => {
    if (help === undefined) return []
    return `  ${`${short === undefined ? '    ' : `-${short}, `}--${name}`.padEnd(28)} ${help}`
  })
  const about = 'Renders the templates of a chart (a folder or a .tgz) and prints what an installation would apply.'
  return ['Usage: sluice template [NAME] CHART [flags]', '', about, '', 'Flags:', ...lines, ''].join('\n')
}
