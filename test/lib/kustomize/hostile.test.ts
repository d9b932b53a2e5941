/** Input that means harm: each gives a clear error or kustomize's own result, soon, in a thread with 256 MiB. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'

type Files = Record<string, string | Uint8Array>

interface Outcome {
  readonly yaml?: string
  /** Begins with `crash:` when it is not an error that the engine means to give. */
  readonly error?: string
}

const TIMEOUT_MS = 30_000

/** Rejects when the thread runs out of memory or time. */
async function buildBounded(files: Files): Promise<Outcome> {
  const worker = new Worker(new URL('./hostile-worker.ts', import.meta.url), {
    workerData: Object.entries(files),
    resourceLimits: { maxOldGenerationSizeMb: 256 },
    execArgv: [],
  })
  try {
    const [outcome] = await once(worker, 'message', { signal: AbortSignal.timeout(TIMEOUT_MS) })
    return outcome
  } finally {
    await worker.terminate()
  }
}

function configMap(name: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {k: v}\n`
}

function bomb(): string {
  const levels = Array.from({ length: 12 }, (_, i) => `b${i + 1}: &b${i + 1} [${Array(9).fill(`*b${i}`).join(', ')}]\n`)
  return `b0: &b0 [x, x, x]\n${levels.join('')}`
}

const DEEP = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
const MANIFEST = 'apiVersion: v1\nkind: Any\nmetadata: {name: a}\n'
const patched = (patch: string): Files => ({
  'kustomization.yaml': 'resources: [a.yaml]\npatches: [{path: p.yaml, target: {name: a}}]\n',
  'a.yaml': configMap('a'),
  'p.yaml': patch,
})

describe('F-KUS-07 what is far too large', () => {
  it('builds a file of 10,000 documents', async () => {
    const all = Array.from({ length: 10_000 }, (_, i) => configMap(`c${i}`)).join('---\n')
    const { yaml = '' } = await buildBounded({ 'kustomization.yaml': 'resources: [all.yaml]\nnamePrefix: p-\n', 'all.yaml': all })
    expect(yaml.match(/^ {2}name: p-c/gm)).toHaveLength(10_000)
  })

  const everywhere = (text: string): [string, Files][] => [
    ['a kustomization', { 'kustomization.yaml': text }],
    ['an object', { 'kustomization.yaml': 'resources: [a.yaml]\n', 'a.yaml': MANIFEST + text }],
    ['a merge patch', patched(MANIFEST + text)],
    ['a JSON patch', patched(`- {op: add, path: /data, value: v}\n- ${text.replaceAll('\n', '\n  ')}`)],
    ['a configuration', { 'kustomization.yaml': 'configurations: [c.yaml]\n', 'c.yaml': text }],
    ['a schema', { 'kustomization.yaml': 'openapi: {path: c.yaml}\n', 'c.yaml': text }],
    ['a replacement', { 'kustomization.yaml': 'replacements: [{path: c.yaml}]\n', 'c.yaml': text }],
  ]
  it.each(everywhere(bomb()))('stops at a bomb of aliases in %s', async (_, files) => {
    expect((await buildBounded(files)).error).toMatch(/^(?!crash)/)
  })
  it.each(everywhere(`deep: ${DEEP}\n`))('stops at deep nesting in %s', async (_, files) => {
    expect((await buildBounded(files)).error).toMatch(/^(?!crash)/)
  })
})

describe('paths that lead out', () => {
  const kustomizations: Record<string, (path: string) => string> = {
    resources: (path) => `resources: [${path}]`,
    components: (path) => `components: [${path}]`,
    'patches, path': (path) => `patches: [{path: ${path}, target: {kind: A}}]`,
    patchesStrategicMerge: (path) => `patchesStrategicMerge: [${path}]`,
    'generator, files': (path) => `configMapGenerator: [{name: c, files: [k=${path}]}]`,
    'generator, envs': (path) => `secretGenerator: [{name: c, envs: [${path}]}]`,
    configurations: (path) => `configurations: [${path}]`,
    crds: (path) => `crds: [${path}]`,
    openapi: (path) => `openapi: {path: ${path}}`,
    generators: (path) => `generators: [${path}]`,
    transformers: (path) => `transformers: [${path}]`,
    'replacements, path': (path) => `replacements: [{path: ${path}}]`,
  }
  it.each(Object.entries(kustomizations))('are refused in %s', async (_, kustomization) => {
    for (const path of ['../../../../../../etc/passwd', 'a/../../../etc/passwd', '/etc/passwd']) {
      const { error } = await buildBounded({ 'kustomization.yaml': `${kustomization(path)}\n` })
      expect(error).toMatch(/leads out of the source|cannot be absolute|no such file or directory/)
      expect(error).not.toMatch(/^crash|root:/)
    }
  })
})

describe('expressions that explode', () => {
  it.each(['(a+)+b', '(a|a)*b', '(.*)*(.*)*b', '((a{1,500}){1,500}){1,500}', '(?=a)', 'a\\1'])(
    'are matched in linear time or refused: %s',
    async (expression) => {
      const files = {
        'kustomization.yaml': `resources: [a.yaml]
patches:
- {target: {name: '${expression}'}, patch: '[{"op": "remove", "path": "/data"}]'}
replacements:
- source: {kind: ConfigMap}
  targets: [{select: {name: '${expression}'}, reject: [{name: '${expression}'}], fieldPaths: [data.k]}]
images: [{name: '${expression}', newTag: "1"}]
`,
        'a.yaml': configMap('a'.repeat(10_000)),
      }
      const { yaml, error } = await buildBounded(files)
      expect(yaml ?? error).not.toMatch(/^crash/)
    },
  )
})

describe('bytes that are no text', () => {
  const bytes = new Uint8Array([0x61, 0xff, 0xfe, 0x00])
  it.each<[string, Files]>([
    ['a kustomization', { 'kustomization.yaml': bytes }],
    ['an object', { 'kustomization.yaml': 'resources: [a.yaml]\n', 'a.yaml': bytes }],
    ['a configuration', { 'kustomization.yaml': 'configurations: [c.yaml]\n', 'c.yaml': bytes }],
    ['a file of variables', { 'kustomization.yaml': 'configMapGenerator: [{name: c, envs: [e]}]\n', e: bytes }],
  ])('are refused in %s', async (_, files) => {
    expect((await buildBounded(files)).error).toMatch(/UTF-8|utf8/i)
  })

  it('become binaryData of a ConfigMap; a byte-order mark, CRLF and NUL stay in its data', async () => {
    const files = {
      'kustomization.yaml':
        'generatorOptions: {disableNameSuffixHash: true}\nconfigMapGenerator: [{name: c, files: [binary, text, nul]}]\n',
      binary: bytes,
      text: '\ufeffa\r\nb',
      nul: 'a\0b',
    }
    expect((await buildBounded(files)).yaml).toBe(
      'apiVersion: v1\nbinaryData:\n  binary: Yf/+AA==\ndata:\n  nul: "a\\0b"\n  text: "\\uFEFF\\x61\\r\\n\\x62"\nkind: ConfigMap\nmetadata:\n  name: c\n',
    )
  })
})
