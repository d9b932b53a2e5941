import { load } from 'js-yaml'
import { describe, expect, it } from 'vitest'
import { generateKustomization, type Settings } from '../../src/kustomize/generate.ts'
import { memoryTree } from '../../src/lib/tree.ts'

/** What is built in `apps`, from files below it. */
function generated(files: Record<string, string>, settings: Settings = {}) {
  const tree = memoryTree(Object.entries(files).map(([path, text]) => [`apps/${path}`, text]))
  const { path, content } = generateKustomization(tree, 'apps', settings)
  return { path, content: content === undefined ? undefined : load(content) }
}

const configMap = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n'
const header = { apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization' }

describe('a directory without a kustomization file', () => {
  it('KUS-BLD-02 F-KUS-05 lists every YAML file, by name, and directories with a kustomization as a whole', () => {
    const { path, content } = generated({
      'b.yaml': configMap,
      'a.yml': configMap,
      'README.md': '# not a manifest',
      'values.json': '{}',
      '.hidden.yaml': configMap,
      'nested/deep/c.yaml': configMap,
      'nested/notes.txt': '',
      'overlay/kustomization.yml': 'resources: [x.yaml]',
      'overlay/x.yaml': configMap,
      'overlay/below/y.yaml': configMap,
      'old/Kustomization': 'resources: [x.yaml]',
      'old/x.yaml': configMap,
    })
    expect(path).toBe('apps/kustomization.yaml')
    expect(content).toEqual({
      ...header,
      resources: ['./.hidden.yaml', './a.yml', './b.yaml', './nested/deep/c.yaml', './old', './overlay'],
    })
  })

  it('KUS-BLD-02 F-KUS-05 F-GC-01 builds nothing from a directory without manifests, which is no error', () => {
    expect(generated({ 'README.md': '' }).content).toEqual({ ...header, namespace: '_placeholder' })
  })

  it('works at the root of the artifact', () => {
    const tree = memoryTree([['web/a.yaml', configMap]])
    const { path, content } = generateKustomization(tree, '', {})
    expect(path).toBe('kustomization.yaml')
    expect(load(content ?? '')).toEqual({ ...header, resources: ['./web/a.yaml'] })
  })
})

describe('a directory with a kustomization file', () => {
  it.each(['kustomization.yaml', 'kustomization.yml', 'Kustomization'])('KUS-BLD-01 builds %s as it is', (name) => {
    expect(generated({ [name]: 'resources: [a.yaml]\n', 'b.yaml': configMap })).toEqual({
      path: `apps/${name}`,
      content: undefined,
    })
  })

  it('KUS-BLD-09 marks the origin of generated objects when there are no resources', () => {
    const { content } = generated({ 'kustomization.yaml': 'configMapGenerator: [{name: x}]\nbuildMetadata: [managedByLabel]\n' })
    expect(content).toMatchObject({ buildMetadata: ['originAnnotations'] })
  })

  it('names the file when it is no mapping', () => {
    expect(() => generated({ 'kustomization.yaml': '- a.yaml\n' })).toThrow('apps/kustomization.yaml')
    expect(() => generated({ 'kustomization.yaml': 'a: [\n' })).toThrow('apps/kustomization.yaml')
  })
})

describe('settings of the spec', () => {
  const own = { 'kustomization.yaml': 'resources: [a.yaml]\nnamespace: own\nnamePrefix: own-\npatches: [{path: p.yaml}]\n' }

  it('KUS-BLD-03 win over namespace, prefix and suffix of the file', () => {
    const { content } = generated(own, { targetNamespace: 'team', namePrefix: 'a-', nameSuffix: '-z' })
    expect(content).toMatchObject({ namespace: 'team', namePrefix: 'a-', nameSuffix: '-z' })
  })

  it('KUS-BLD-04 add patches after those of the file', () => {
    const patch = '- op: remove\n  path: /spec'
    const { content } = generated(own, { patches: [{ patch, target: { kind: 'Deployment', labelSelector: 'a=b' } }] })
    expect(content).toMatchObject({
      patches: [{ path: 'p.yaml' }, { patch, target: { kind: 'Deployment', labelSelector: 'a=b' } }],
    })
  })

  it('KUS-BLD-05 replace an image field by field, tag and digest as one', () => {
    const images = 'images: [{name: a, newName: mine, newTag: v1}, {name: b, newTag: v1}, {name: c, digest: sha256:1}]\n'
    const { content } = generated(
      { 'kustomization.yaml': `resources: [a.yaml]\n${images}` },
      {
        images: [
          { name: 'a', newTag: 'v2' },
          { name: 'b', newName: 'theirs' },
          { name: 'c', newTag: 'v3' },
          { name: 'd', digest: 'sha256:4' },
        ],
      },
    )
    expect(content).toMatchObject({
      images: [
        { name: 'a', newName: 'mine', newTag: 'v2' },
        { name: 'b', newName: 'theirs', newTag: 'v1' },
        { name: 'c', newTag: 'v3' },
        { name: 'd', digest: 'sha256:4' },
      ],
    })
  })

  it('KUS-BLD-09 replace the build metadata', () => {
    expect(generated(own, { buildMetadata: ['transformerAnnotations'] }).content).toMatchObject({
      buildMetadata: ['transformerAnnotations'],
    })
  })

  it('KUS-BLD-06 KUS-BLD-07 add components; missing ones only where they may not be missing', () => {
    const files = { ...own, 'extra/kustomization.yaml': 'kind: Component' }
    const components = ['extra', '../gone', '../../outside']
    expect(generated(files, { components }).content).toMatchObject({ components })
    expect(generated(files, { components, ignoreMissingComponents: true }).content).toMatchObject({ components: ['extra'] })
  })

  it.each(['https://example.com/x', 'github.com/a/b', 'git@example.com:a', '/etc', 'file:///etc'])(
    'KUS-BLD-06 refuse the component %s',
    (component) => {
      expect(() => generated(own, { components: [component] })).toThrow(`component path '${component}' must be local and relative`)
    },
  )
})
