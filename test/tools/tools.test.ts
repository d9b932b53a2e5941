import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { create } from 'tar'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { run, temporaryDirectory } from './processes.ts'
import { findTool, findTools } from './tools.ts'

let cache: string
let lines: string[]
const say = (line: string) => void lines.push(line)

beforeEach(async () => {
  cache = await temporaryDirectory('tools')
  lines = []
  vi.stubEnv('SLUICE_TOOLS', cache)
  vi.stubEnv('KUBEBUILDER_ASSETS', '')
  vi.stubGlobal('fetch', () => Promise.reject(new Error('fetch failed', { cause: new Error('no network') })))
})

afterEach(() => {
  vi.unstubAllEnvs()
  vi.unstubAllGlobals()
})

describe('where tools come from', () => {
  it('takes KUBEBUILDER_ASSETS before the cache, and says so', async () => {
    const assets = await temporaryDirectory('assets')
    await program(join(assets, 'etcd'))
    await program(join(cache, 'etcd-v3.6.8/etcd'))
    await program(join(cache, 'kustomize-v5.8.1/kustomize'))
    vi.stubEnv('KUBEBUILDER_ASSETS', assets)
    expect(await findTools(['kustomize', 'etcd'], say)).toEqual([join(cache, 'kustomize-v5.8.1/kustomize'), join(assets, 'etcd')])
    expect(lines).toEqual([
      `kustomize: ${join(cache, 'kustomize-v5.8.1/kustomize')} (cache)`,
      `etcd: ${join(assets, 'etcd')} (KUBEBUILDER_ASSETS)`,
    ])
  })

  it('takes the official archive when its hash is the published one', async () => {
    const archive = await archiveOf(['etcd', 'kube-apiserver', 'kubectl'])
    const hash = createHash('sha512').update(archive).digest('hex')
    vi.stubGlobal('fetch', network(archive, hash))
    const [etcd = ''] = await findTools(['etcd', 'kubectl'], say)
    expect(etcd).toBe(join(cache, 'envtest-v1.36.0/etcd'))
    expect(await run(etcd, [])).toBe('etcd\n')
    expect((await readdir(cache)).sort()).toEqual(['envtest-v1.36.0'])
  })

  it('refuses an archive with another hash, and builds instead', async () => {
    await fakeGo()
    vi.stubGlobal('fetch', network(await archiveOf(['etcd']), '0'.repeat(128)))
    expect(await findTool('etcd', say)).toBe(join(cache, 'etcd-v3.6.8/etcd'))
    expect(lines.join('\n')).toMatch(/has the sha512 \w+, and 0{128} was published/)
  })

  it('builds once when two processes want the same tool at the same time', async () => {
    const go = await fakeGo()
    const script = [process.execPath, [join(import.meta.dirname, 'tools.ts'), 'kustomize']] as const
    const path = `${join(cache, 'kustomize-v5.8.1/kustomize')}\n`
    expect(await Promise.all([run(...script), run(...script)])).toEqual([path, path])
    expect((await readFile(join(go, 'calls'), 'utf8')).trim().split('\n')).toHaveLength(1)
    expect((await readdir(cache)).sort()).toEqual(['kustomize-v5.8.1'])
  })

  it('builds in a copy of a module that does not ship what it embeds, with that added', async () => {
    const module = await temporaryDirectory('module')
    await writeFile(join(module, 'go.mod'), 'module made-up\n', { mode: 0o444 })
    const go = await fakeGo(module)
    expect(await findTool('flux', say)).toBe(join(cache, 'flux-v2.9.5/flux'))
    const built = (await readFile(join(go, 'source'), 'utf8')).trim().split('\n')
    expect(built).toEqual(expect.arrayContaining(['./go.mod', './cmd/flux/manifests/none.yaml']))
    expect((await readdir(cache)).sort()).toEqual(['flux-v2.9.5'])
  })

  it('goes on after a builder that was killed', async () => {
    await fakeGo()
    await writeFile(join(cache, '.lock'), '999999999')
    expect(await findTool('kustomize', say)).toBe(join(cache, 'kustomize-v5.8.1/kustomize'))
  })

  it('says what was tried and what to do when nothing works', async () => {
    vi.stubEnv('PATH', '/nowhere')
    await expect(findTool('etcd', say)).rejects.toThrow(
      /cannot provide etcd: spawn go ENOENT; the envtest archive could not be had: fetch failed: no network; install Go 1\.26 or later.*KUBEBUILDER_ASSETS/,
    )
  })
})

async function program(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, '#!/bin/sh\n', { mode: 0o755 })
}

async function archiveOf(tools: readonly string[]): Promise<Buffer> {
  const root = await temporaryDirectory('archive')
  const folder = join(root, 'controller-tools/envtest')
  await mkdir(folder, { recursive: true })
  for (const tool of tools) await writeFile(join(folder, tool), `#!/bin/sh\necho ${tool}\n`, { mode: 0o755 })
  const file = join(root, 'envtest.tar.gz')
  await create({ file, cwd: root, gzip: true }, ['controller-tools'])
  return readFile(file)
}

/** The release index and the archive, as GitHub serves them. */
function network(archive: Buffer, hash: string) {
  return async (url: string) => {
    if (!url.endsWith('envtest-releases.yaml')) return new Response(new Uint8Array(archive))
    const name = `envtest-v1.36.0-${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}.tar.gz`
    return new Response(`releases:\n  v1.36.0:\n    ${name}:\n      hash: ${hash}\n      selfLink: https://somewhere\n`)
  }
}

/** Puts a `go` first in PATH that writes its programs slowly and notes its calls and the files it builds; returns its folder. */
async function fakeGo(module = ''): Promise<string> {
  const folder = await temporaryDirectory('go')
  const script = `#!/bin/sh
if [ "$1" = mod ]; then echo '{"Dir": "${module}"}'; exit; fi
echo "$@" >> ${folder}/calls
find . -type f > ${folder}/source
while [ "$1" != -o ]; do shift; done
sleep 0.3
for name in etcd server kustomize flux; do printf '#!/bin/sh\\n' > "$2$name"; chmod +x "$2$name"; done
`
  await writeFile(join(folder, 'go'), script, { mode: 0o755 })
  vi.stubEnv('PATH', `${folder}:${process.env.PATH}`)
  return folder
}
