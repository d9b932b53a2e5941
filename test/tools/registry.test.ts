import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createAuthority } from './certificates.ts'
import { run, temporaryDirectory } from './processes.ts'
import { fluxContent, pushArtifact, pushIndex, readManifest, tagImage } from './push.ts'
import { manifestTypes, registryLogin, startRegistry } from './registry.ts'
import { findTool } from './tools.ts'

describe('the registry of tests', () => {
  it('keeps what was pushed, and moves tags', async () => {
    await using registry = await startRegistry()
    const first = await pushArtifact(registry, 'apps/web', { files: { 'a.yaml': 'a: 1\n' }, tags: ['v1', 'latest'] })
    const second = await pushArtifact(registry, 'apps/web', { files: { 'a.yaml': 'a: 2\n' } })
    await tagImage(registry, 'apps/web', second, 'latest')
    const headers = { accept: manifestTypes }
    const head = await fetch(`http://${registry.host}/v2/apps/web/manifests/latest`, { method: 'HEAD', headers })
    expect(head.headers.get('docker-content-digest')).toBe(second)
    const answer = await fetch(`http://${registry.host}/v2/apps/web/manifests/${first}`, { headers })
    expect(await answer.json()).toMatchObject({ layers: [{ mediaType: fluxContent }] })
    expect(registry.requests.map(({ method }) => method)).toEqual(['HEAD', 'GET'])
    const { body } = await readManifest(registry, 'apps/web', first)
    await pushIndex(registry, 'apps/web', { images: [{ digest: first, size: body.length }], tags: ['many'] })
  })

  it('asks for a login, by name and password or by a token', async () => {
    await using basic = await startRegistry({ login: 'basic' })
    await pushArtifact(basic, 'apps/web', { files: {}, tags: ['v1'] })
    const { username, password } = registryLogin
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
    const path = '/v2/apps/web/manifests/v1'
    const accept = manifestTypes
    expect((await fetch(`http://${basic.host}${path}`)).status).toBe(401)
    expect((await fetch(`http://${basic.host}${path}`, { headers: { accept, authorization } })).status).toBe(200)

    await using registry = await startRegistry({ login: 'token' })
    await pushArtifact(registry, 'apps/web', { files: {}, tags: ['v1'] })
    const refused = await fetch(`http://${registry.host}${path}`)
    expect(refused.headers.get('www-authenticate')).toContain(`realm="${registry.tokens?.realm}"`)
    const bearer = `Bearer ${registry.tokens?.mint('apps/web', ['pull'])}`
    expect((await fetch(`http://${registry.host}${path}`, { headers: { accept, authorization: bearer } })).status).toBe(200)
  })

  it('speaks TLS with certificates of its own, and asks clients for theirs', async () => {
    const authority = await createAuthority()
    const own = await authority.server()
    await using registry = await startRegistry({ tls: { ...own, ca: authority.ca, requestCert: true } })
    const helm = await findTool('helm', () => {})
    const client = await filesOf({ ...(await authority.client('puller')), ca: authority.ca })
    const pull = ['pull', registry.url('charts/none'), '--version', '1.0.0', '--ca-file', client.ca]
    await expect(run(helm, [...pull, '--cert-file', client.cert, '--key-file', client.key])).rejects.toThrow(/not found/)
    await expect(run(helm, pull)).rejects.toThrow(/certificate required/)
  })
})

/** Writes texts to files; returns their paths. */
async function filesOf<K extends string>(texts: Readonly<Record<K, string>>): Promise<Record<K, string>> {
  const directory = await temporaryDirectory('pem')
  const paths = Object.keys(texts).map((name) => [name, join(directory, name)] as const)
  for (const [name, path] of paths) await writeFile(path, texts[name as K])
  return Object.fromEntries(paths) as Record<K, string>
}
