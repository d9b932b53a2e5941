import { execFile } from 'node:child_process'
import { accessSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, it, type TestContext } from 'vitest'
import { temporaryDirectory } from '../tools/processes.ts'
import { filesBelow } from '../tools/repository.ts'

const helm = join(process.env.SLUICE_TOOLS ?? join(homedir(), '.cache/sluice/tools'), 'helm-v4.3.1/helm')
const sluice = join(import.meta.dirname, '../../src/cli/main.ts')

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function start(command: string, args: readonly string[]): Promise<Ended> {
  return new Promise((done) => {
    execFile(command, args, { cwd: root, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      done({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr })
    })
  })
}

const ours = (...args: string[]) => start(process.execPath, [sluice, 'template', ...args])
const theirs = (...args: string[]) => start(helm, ['template', ...args])

/** What helm writes to its log beside the message. */
const logLine = /^level=.*\n/gm

function isHelmHere(): boolean {
  try {
    accessSync(helm)
    return true
  } catch {
    return false
  }
}

function needsHelm(context: TestContext): void {
  if (!isHelmHere()) context.skip(`the real helm is not built at ${helm}: node test/tools/tools.ts helm`)
}

const files: readonly (readonly [string, string])[] = [
  ['app/Chart.yaml', 'apiVersion: v2\nname: app\nversion: 1.2.3\n'],
  ['app/values.yaml', 'a: 1\nsize: 1000000\n'],
  ['app/values.schema.json', '{"properties": {"a": {"type": "number"}}}'],
  ['app/crds/crd.yaml', 'kind: CustomResourceDefinition\n'],
  [
    'app/templates/all.yaml',
    'kind: A\nvalues: {{ .Values | toJson }}\nrelease: {{ .Release | toJson }}\n---\nkind: Service\nv: {{ .Capabilities.KubeVersion }} {{ .Capabilities.APIVersions.Has "x/v1" }}\n',
  ],
  ['app/templates/hook.yaml', 'kind: Job\nmetadata:\n  annotations: {helm.sh/hook: pre-install}\n'],
  ['app/templates/test.yaml', 'kind: Pod\nmetadata:\n  annotations: {helm.sh/hook: test}\n'],
  ['app/templates/NOTES.txt', 'not printed\n'],
  ['bad/Chart.yaml', 'apiVersion: v2\nname: bad\nversion: 1.2.3\n'],
  ['bad/templates/a.yaml', '{{ if .Values.fail }}{{ fail .Values.fail }}{{ end }}a: {{ .Values.text }}\n'],
  ['lib/Chart.yaml', 'apiVersion: v2\nname: lib\nversion: 1.2.3\ntype: library\n'],
  ['one.yaml', 'a: 2\nmap: {x: 1}\n'],
  ['two.yaml', 'map: {y: 2}\n'],
  ['file.txt', 'text of a file'],
]

let root: string

beforeAll(async () => {
  root = await temporaryDirectory('template')
  for (const [path, text] of files) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
})

const commandLines: readonly (readonly string[])[] = [
  ['app'],
  ['rel', 'app'],
  [
    'rel',
    './app',
    '-f',
    'one.yaml,two.yaml',
    '--set',
    'a=3,b[0]=x',
    '--set-string',
    'c=1',
    '--set-json',
    'd={"e":1.5}',
    '--set-file',
    'f=file.txt',
    '--set-literal',
    'g=a,b',
  ],
  ['rel', 'app', '--values=one.yaml', '-ftwo.yaml', '-n', 'shop', '--is-upgrade', '--include-crds'],
  ['rel', 'app', '--kube-version', '1.29.3', '-a', 'x/v1,y/v1', '--no-hooks'],
  ['rel', 'app', '--skip-tests', '--skip-schema-validation', '--set', 'a=text'],
  ['rel', 'app', '-s', 'templates/hook.yaml', '--show-only', 'templates/al*'],
  ['rel', 'app', '--set', 'a=text'],
  ['rel', 'app', '-s', 'templates/none.yaml'],
  ['rel', 'app', '--kube-version', 'x'],
  ['rel', 'app', '--set', 'a[=1'],
  ['Rel', 'app'],
  ['rel', 'bad', '--set', 'fail=because'],
  ['rel', 'bad', '--set', 'text=a: b'],
  ['rel', 'lib'],
  ['rel', './none'],
  ['rel', 'app', 'more', 'words'],
  ['rel', 'app', '-g'],
  ['rel', 'app', '--nope'],
  ['rel', 'app', '--namespace'],
]

describe('sluice template prints what helm template prints', () => {
  it.each(commandLines.map((args) => ({ line: args.join(' '), args })))('$line', async ({ args }) => {
    if (!isHelmHere()) return
    const [got, wanted] = await Promise.all([ours(...args), theirs(...args)])
    expect(got).toEqual({ ...wanted, stderr: wanted.stderr.replaceAll(`${root}/`, '').replaceAll(logLine, '') })
  })

  it('into files', async (context) => {
    needsHelm(context)
    for (const flags of [[], ['--release-name'], ['--no-hooks', '--include-crds']]) {
      const [mine, other] = [join(root, `mine${flags.join('')}`), join(root, `other${flags.join('')}`)]
      const got = await ours('rel', 'app', '--output-dir', mine, ...flags)
      const wanted = await theirs('rel', 'app', '--output-dir', other, ...flags)
      expect(got.stdout).toBe(wanted.stdout.replaceAll(other, mine))
      expect(await filesBelow(mine)).toEqual(await filesBelow(other))
    }
  })
})

describe('sluice template', () => {
  it('prints its flags', async () => {
    const { code, stdout } = await ours('--help')
    expect(code).toBe(0)
    expect(stdout).toMatch(/Usage: sluice template \[NAME\] CHART/)
  })

  it('refuses what would need a network or a program', async () => {
    expect(await ours('rel', 'app', '--repo', 'https://charts.example')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('Error: --repo is not supported: '),
    })
    expect((await ours('rel', 'app', '--post-renderer', 'x')).stderr).toContain('no programs are run')
  })

  it('makes up a name', async () => {
    expect((await ours('-g', 'app')).stdout).toMatch(/"Name":"app-\d+"/)
  })

  it('reads a package as it reads its folder', async () => {
    const folder = await ours('rel', 'app')
    await new Promise((done) => execFile('tar', ['-czf', 'app.tgz', 'app'], { cwd: root }, done))
    expect(await readFile(join(root, 'app.tgz'))).toBeDefined()
    expect(await ours('rel', 'app.tgz')).toEqual(folder)
  })
})
