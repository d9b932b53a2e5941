import { execFile } from 'node:child_process'
import { accessSync } from 'node:fs'
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, it, type TestContext } from 'vitest'
import { readFixtures } from '../lib/kustomize/txtar.ts'
import { startGitServer } from '../tools/git-server.ts'
import { temporaryDirectory } from '../tools/processes.ts'
import { Repository } from '../tools/repository.ts'

const kustomize = join(process.env.SLUICE_TOOLS ?? join(homedir(), '.cache/sluice/tools'), 'kustomize-v5.8.1/kustomize')
const helm = join(process.env.SLUICE_TOOLS ?? join(homedir(), '.cache/sluice/tools'), 'helm-v4.3.1/helm')
const sluice = join(import.meta.dirname, '../../src/cli/main.ts')

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function start(command: string, args: readonly string[], cwd: string): Promise<Ended> {
  return new Promise((done) => {
    execFile(command, args, { cwd, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      done({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr })
    })
  })
}

const sluiceBuild = (cwd: string, ...args: string[]) => start(process.execPath, [sluice, 'build', ...args], cwd)
const kustomizeBuild = (cwd: string, ...args: string[]) => start(kustomize, ['build', ...args], cwd)

function needsKustomize(context: TestContext): void {
  try {
    accessSync(kustomize)
  } catch {
    context.skip(`the real kustomize is not built at ${kustomize}: node test/tools/tools.ts kustomize`)
  }
}

function needsHelm(context: TestContext): void {
  try {
    accessSync(helm)
  } catch {
    context.skip(`the real helm is not built at ${helm}: node test/tools/tools.ts helm`)
  }
}

async function folder(files: Iterable<readonly [string, string]>): Promise<string> {
  const root = await temporaryDirectory('build')
  for (const [path, text] of files) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
  return root
}

const object = (kind: string, name: string, extra = '') => `apiVersion: v1\nkind: ${kind}\nmetadata: {name: ${name}}\n${extra}`

let root: string

beforeAll(async () => {
  root = await folder([
    ['base/kustomization.yaml', 'resources: [b.yaml, ns.yaml]\n'],
    ['base/b.yaml', object('ConfigMap', 'b', 'data: {list: "- a", on: "on"}\n')],
    ['base/ns.yaml', object('Namespace', 'n')],
    ['shared/s.yaml', object('Secret', 's', 'stringData: {k: v}\n')],
    ['app/kustomization.yaml', 'resources: [../base, link, in.yaml]\nbuildMetadata: [originAnnotations]\n'],
    ['app/real.yaml', object('Service', 'web', 'spec: {ports: [{port: 80}]}\n')],
    ['linked/kustomization.yaml', 'resources: [l.yaml]\n'],
    ['linked/l.yaml', object('ConfigMap', 'l')],
    ['reaching/kustomization.yaml', 'resources: [../shared/s.yaml, out.yaml]\n'],
    ['spaces/kustomization.yaml', 'resources: [a.yaml, b.yaml, ../base]\n'],
    ['spaces/a.yaml', 'apiVersion: v1\nkind: Pod\nmetadata: {name: P, namespace: one}\nspec: {containers: [{name: c}]}\n'],
    ['spaces/b.yaml', 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, namespace: two}\n'],
    ['old/kustomization.yaml', 'bases: [../base]\n'],
  ])
  await symlink('../linked', join(root, 'app/link'))
  await symlink('real.yaml', join(root, 'app/in.yaml'))
  await symlink('../linked/l.yaml', join(root, 'reaching/out.yaml'))
  await symlink('app', join(root, 'applink'))
})

describe('sluice build', () => {
  it.for<[string, string[]]>([
    ['../base, links inside, origins', ['app']],
    ['a link to the folder', ['applink']],
    ['an absolute path', []],
    ['the order of the input', ['app', '--reorder=none']],
    ['the legacy order', ['--reorder', 'legacy', 'app']],
    ['files outside of the folder', ['reaching', '--load-restrictor', 'LoadRestrictionsNone']],
    ['its label', ['--enable-managedby-label', 'base']],
    ['flags that are off', ['base', '--enable-helm=false', '--network=false']],
  ])('prints what kustomize prints: %s', async ([, args], context) => {
    needsKustomize(context)
    const all = args.length > 0 ? args : [join(root, 'app')]
    const [ours, theirs] = await Promise.all([sluiceBuild(root, ...all), kustomizeBuild(root, ...all)])
    expect(theirs.code).toBe(0)
    expect(ours).toMatchObject({ code: 0, stdout: theirs.stdout })
  })

  it.for(['generators', 'patches', 'components', 'replacements', 'scalars'])(
    'prints what kustomize prints: fixture %s',
    async (name, context) => {
      needsKustomize(context)
      const fixture = readFixtures().find(({ path }) => path.endsWith(`/${name}.txtar`))
      const directory = join(await folder(fixture?.files ?? []), fixture?.target ?? '')
      const [ours, theirs] = await Promise.all([sluiceBuild(directory), kustomizeBuild(directory)])
      expect(theirs.stdout).not.toBe('')
      expect(ours).toMatchObject({ code: theirs.code, stdout: theirs.stdout })
    },
  )

  it('prints what kustomize prints: a folder of a Git repository', async (context) => {
    needsKustomize(context)
    const served = await temporaryDirectory('git')
    await using git = await startGitServer({ root: served })
    const repository = await Repository.create(served, 'apps')
    const files = { 'base/kustomization.yaml': 'resources: [b.yaml]\n', 'base/b.yaml': object('ConfigMap', 'b') }
    await repository.commit({ ...files, 'app/kustomization.yaml': 'resources: [../base]\nnamePrefix: x-\n' }, 'first')
    await repository.tag('v1')
    const over = await folder([
      ['kustomization.yaml', `resources: ['${git.url('apps')}//app?ref=v1']\nbuildMetadata: [originAnnotations]\n`],
    ])
    for (const [cwd, target] of [
      [root, `${git.url('apps')}//app?ref=v1`],
      [over, '.'],
    ] as const) {
      const [ours, theirs] = [await sluiceBuild(cwd, target), await kustomizeBuild(cwd, target)]
      expect(theirs.code, theirs.stderr).toBe(0)
      expect(ours).toMatchObject({ code: 0, stdout: theirs.stdout })
    }
  })

  it('writes what kustomize writes: into a file, and one by one into a folder', async (context) => {
    needsKustomize(context)
    const out = await temporaryDirectory('out')
    for (const name of ['ours', 'theirs', 'ours-one', 'theirs-one']) await mkdir(join(out, name))
    expect(await sluiceBuild(root, 'spaces', '-o', join(out, 'ours.yaml'))).toMatchObject({ code: 0, stdout: '' })
    await kustomizeBuild(root, 'spaces', '-o', join(out, 'theirs.yaml'))
    expect(await readFile(join(out, 'ours.yaml'), 'utf8')).toBe(await readFile(join(out, 'theirs.yaml'), 'utf8'))
    for (const [target, suffix] of [
      ['spaces', ''],
      ['base', '-one'],
    ] as const) {
      await sluiceBuild(root, target, `--output=${join(out, `ours${suffix}`)}`)
      await kustomizeBuild(root, target, `--output=${join(out, `theirs${suffix}`)}`)
      expect(await contents(join(out, `ours${suffix}`))).toEqual(await contents(join(out, `theirs${suffix}`)))
    }
  })

  it.for<[string, string[], string]>([
    ['a folder that is not there', ['nowhere'], 'must build at directory: not a valid directory'],
    ['a file', ['base/b.yaml'], 'file is not directory'],
    ['a file outside of the folder', ['reaching'], `is not in or below '/`],
    ['two folders', ['app', 'base'], 'specify one path to kustomization.yaml'],
    ['an empty path', [''], 'directory path cannot be empty'],
    ['an unknown flag', ['app', '--bogus'], 'unknown flag: --bogus'],
    ['a wrong order', ['app', '--reorder=x'], 'illegal flag value --reorder x; legal values: [legacy none]'],
    ['a flag without its value', ['app', '--output'], 'flag needs an argument: --output'],
  ])('fails as kustomize does: %s', async ([, args, message], context) => {
    const ours = await sluiceBuild(root, ...args)
    expect(ours).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(message) })
    needsKustomize(context)
    const theirs = await kustomizeBuild(root, ...args)
    expect(theirs.code).toBe(1)
    expect(theirs.stderr).toContain(message)
  })

  it.each(['--helm-command=h', '--enable-exec', '--enable-alpha-plugins', '--network', '--mount=a', '-eA=b'])(
    'refuses %s',
    async (flag) => {
      expect(await sluiceBuild(root, 'app', flag)).toMatchObject({
        code: 1,
        stdout: '',
        stderr: expect.stringContaining('is not supported: '),
      })
    },
  )

  it('renders helmCharts as kustomize does with the real helm', async (context) => {
    const charts = await folder([
      ['charts/app/Chart.yaml', 'apiVersion: v2\nname: app\nversion: 0.1.0\n'],
      ['charts/app/values.yaml', 'm: {x: 1, z: 2}\n'],
      ['charts/app/crds/c.yaml', 'apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: cs.x}\n'],
      [
        'charts/app/templates/t.yaml',
        `${object('ConfigMap', '{{ .Release.Name }}', 'data: {v: {{ toJson .Values | squote }}, k: {{ .Capabilities.KubeVersion.Version }}}\n')}---
{{ if .Capabilities.APIVersions.Has "my/v1" }}${object('ConfigMap', '{{ .Release.Name }}-has')}{{ end }}---
${object('Pod', 't', '').replace('{name: t}', '{name: t, annotations: {"helm.sh/hook": test}}')}`,
      ],
      [
        'kustomization.yaml',
        'namespace: forced\nhelmCharts:\n- {name: app, releaseName: one, includeCRDs: true, valuesInline: {m: {x: 5, z: null}}}\n- {name: app, releaseName: two, skipTests: true, valuesInline: {m: {x: 5}}, valuesMerge: merge}\n',
      ],
    ])
    const args = ['.', '--enable-helm', '--helm-kube-version=1.30.0', '--helm-api-versions=my/v1']
    const ours = await sluiceBuild(charts, ...args)
    expect(ours).toMatchObject({ code: 0, stderr: '' })
    expect(ours.stdout).toContain(`v: '{"m":{"x":5,"z":2}}'`)
    expect(ours.stdout).toContain('name: one-has')
    needsKustomize(context)
    needsHelm(context)
    expect(ours.stdout).toBe((await kustomizeBuild(charts, ...args, `--helm-command=${helm}`)).stdout)
  })

  it('warns on standard error, and keeps standard output for the objects', async () => {
    const { code, stdout, stderr } = await sluiceBuild(root, 'old', '--reorder=none')
    expect(code).toBe(0)
    expect(stderr).toContain(`# Warning: 'bases' is deprecated. Please use 'resources' instead. (${root}/old/kustomization.yaml)`)
    expect(stderr).toContain('Flag --reorder has been deprecated')
    expect(stdout).toMatch(/^apiVersion: v1\n/)
  })
})

async function contents(directory: string): Promise<Record<string, string>> {
  const names = await readdir(directory)
  const texts = await Promise.all(names.map(async (name) => [name, await readFile(join(directory, name), 'utf8')] as const))
  return Object.fromEntries(texts)
}
