/** Releases in a cluster that the real helm and this engine both read and write. */
import { mkdir, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { decodeRelease, encodeRelease, type Release, secretName, secretOf } from '../../src/lib/chart/index.ts'
import { run, temporaryDirectory } from '../tools/processes.ts'
import { findTool } from '../tools/tools.ts'
import { type Cluster, openCluster } from './harness.ts'

const configMap = (name: string, data: string) =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\ndata:\n  v: ${data}\n`

const chart: readonly (readonly [string, string])[] = [
  ['Chart.yaml', 'apiVersion: v2\nname: shop\nversion: 1.2.3\ndescription: R&D <shop>\nkeywords: [a, b]\nannotations: {k: v}\n'],
  ['values.yaml', 'size: 1000000\nratio: 1.5\nnothing: null\nlist: [a, {b: c}]\n'],
  ['values.schema.json', '{"type": "object"}'],
  ['README.md', 'read me\n'],
  ['templates/NOTES.txt', 'Hello <{{ .Release.Name }}>\n'],
  ['templates/cm.yaml', configMap('{{ .Release.Name }}', '"{{ .Values.size }}"')],
  [
    'templates/hook.yaml',
    configMap('hook', 'x').replace(
      '\ndata:',
      '\n  annotations:\n    helm.sh/hook: post-install\n    helm.sh/hook-weight: "2"\ndata:',
    ),
  ],
  ['charts/leaf/Chart.yaml', 'apiVersion: v2\nname: leaf\nversion: 0.1.0\n'],
]

let cluster: Cluster
let folder: string

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'helm-release')
  folder = await temporaryDirectory('chart')
  for (const [path, text] of chart) {
    const file = join(folder, path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text)
    // A release keeps the times of files; ours have no more digits than JavaScript has.
    await utimes(file, 1_700_000_000, 1_700_000_000)
  }
  await helm('install', 'web', folder, '--set', 'list=null', '--labels', 'team=x', '--description', 'the first')
})

afterAll(() => cluster?.[Symbol.asyncDispose]())

async function helm(...args: string[]): Promise<string> {
  const env = { ...process.env, TZ: 'UTC' }
  return run(await findTool('helm', () => {}), [...args, '--kubeconfig', cluster.kubeconfig, '--namespace', cluster.namespace], {
    env,
  })
}

/** The text of the key `release` of a revision's Secret. */
async function stored(version: number): Promise<string> {
  const secret = await cluster.kubectl.json<{ data: { release: string } }>(
    'get',
    `secret/${secretName('web', version)}`,
    '--namespace',
    cluster.namespace,
  )
  return Buffer.from(secret.data.release, 'base64').toString()
}

async function store(release: Release): Promise<void> {
  const { name, type, labels, release: text } = secretOf(release)
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: cluster.namespace, labels },
    type,
    data: { release: Buffer.from(text).toString('base64') },
  })
}

const json = (text: string): string => gunzipSync(Buffer.from(text, 'base64')).toString()

it('writes a release of helm as it was', async () => {
  const text = await stored(1)
  const release = decodeRelease(text)
  expect(release).toMatchObject({
    name: 'web',
    version: 1,
    info: { status: 'deployed', description: 'the first' },
    applyMethod: 'ssa',
  })
  expect(json(encodeRelease(release))).toBe(json(text))
})

it('lets helm read, roll back and uninstall a release that it has written', async () => {
  const first = decodeRelease(await stored(1))
  const labels = new Map([['team', 'x']])
  await store({ ...first, labels, info: { ...first.info, status: 'superseded' } })
  const manifest = first.manifest.replace('1e+06', 'two')
  await store({ ...first, labels, version: 2, manifest, info: { ...first.info, description: 'ours', notes: 'second' } })

  expect(JSON.parse(await helm('history', 'web', '-o', 'json'))).toMatchObject([
    { revision: 1, status: 'superseded', chart: 'shop-1.2.3', description: 'the first' },
    { revision: 2, status: 'deployed', chart: 'shop-1.2.3', description: 'ours' },
  ])
  expect(await helm('get', 'manifest', 'web')).toContain('v: "two"')
  expect(await helm('get', 'notes', 'web')).toContain('second')
  expect(await helm('get', 'hooks', 'web')).toContain('helm.sh/hook-weight: "2"')
  expect(JSON.parse(await helm('get', 'values', 'web', '-o', 'json'))).toEqual({ list: null })

  await helm('rollback', 'web', '1')
  expect(decodeRelease(await stored(3))).toMatchObject({ version: 3, manifest: first.manifest, info: { rollbackRevision: 1 } })
  expect(decodeRelease(await stored(2)).info.status).toBe('superseded')

  await helm('uninstall', 'web')
  expect(await cluster.list('configmaps')).not.toContainEqual(
    expect.objectContaining({ metadata: expect.objectContaining({ name: 'web' }) }),
  )
})
