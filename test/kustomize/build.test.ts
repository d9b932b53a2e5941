import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { buildManifests } from '../../src/kustomize/build.ts'
import type { Settings } from '../../src/kustomize/generate.ts'
import { temporaryDirectory } from '../tools/processes.ts'

const pod = 'apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: c, image: "app:v1"}]}\n'

/** The objects of an artifact with these files. */
async function built(files: Record<string, string>, settings: Settings = {}) {
  const directory = await temporaryDirectory('artifact')
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true })
    await writeFile(join(directory, path), text)
  }
  const input = { directory, path: '', settings, commonMetadata: undefined, substitution: undefined, remoteTimeoutMs: undefined }
  return (await buildManifests(input, { signal: new AbortController().signal })).objects
}

describe('the kustomization file of the path', () => {
  it('KUS-BLD-01 is read as Flux reads it: unknown fields are dropped at any depth, numbers are taken for texts', async () => {
    const text =
      'resources: [pod.yaml]\nresouces: [gone.yaml]\nimages: [{name: app, newTag: 2, tag: v3}]\ncommonAnnotations: {port: 80}\n'
    const expected = [{ metadata: { name: 'web', annotations: { port: '80' } }, spec: { containers: [{ image: 'app:2' }] } }]
    expect(await built({ 'kustomization.yaml': text, 'pod.yaml': pod })).toMatchObject(expected)
    const settings = { images: [{ name: 'app', newName: 'mine' }] }
    expect(await built({ 'kustomization.yaml': text, 'pod.yaml': pod }, settings)).toMatchObject([
      { spec: { containers: [{ image: 'mine:2' }] } },
    ])
  })

  it.each(['images: [{name: app, tag: v3}]', 'resouces: []', 'commonAnnotations: {port: 80}'])(
    'KUS-BLD-01 is read strictly below it, as kustomize does: %s',
    async (field) => {
      const files = {
        'kustomization.yaml': 'resources: [base]\n',
        'base/kustomization.yaml': `resources: [pod.yaml]\n${field}\n`,
        'base/pod.yaml': pod,
      }
      await expect(built(files)).rejects.toThrow(/invalid Kustomization|cannot unmarshal/)
    },
  )
})

describe('a manifest that is none', () => {
  it('KUS-BLD-02 is named once, with the line', async () => {
    const files = { 'a.yaml': pod, 'deep/b.yaml': 'kind: Pod\na: [\nb\n}\n' }
    const error = await built(files).catch((thrown: Error) => thrown)
    expect(String(error)).toMatch(/failed to decode Kubernetes YAML from deep\/b\.yaml: yaml: line \d/)
    expect(String(error).match(/b\.yaml/g)).toHaveLength(1)
  })
})
