import { execFileSync } from 'node:child_process'
import { chmod, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { loadConfig, parseConfig } from '../../src/kube/config.ts'
import { temporaryDirectory } from '../tools/processes.ts'

let directory: string

beforeAll(async () => {
  directory = await temporaryDirectory('config')
})

async function file(name: string, content: string): Promise<string> {
  await writeFile(join(directory, name), content)
  return join(directory, name)
}

interface Parts {
  readonly cluster?: object
  readonly user?: object
  readonly server?: string
}

function kubeconfig({ cluster = {}, user = {}, server = 'https://one:6443' }: Parts = {}): string {
  return JSON.stringify({
    'current-context': 'one',
    contexts: [
      { name: 'one', context: { cluster: 'one', user: 'one', namespace: 'apps' } },
      { name: 'two', context: { cluster: 'two', user: 'one' } },
    ],
    clusters: [
      { name: 'one', cluster: { server, ...cluster } },
      { name: 'two', cluster: { server: 'https://two:6443/prefix' } },
    ],
    users: [{ name: 'one', user }],
  })
}

describe('a kubeconfig file', () => {
  it('gives server, namespace, token and certificates', async () => {
    const data = Buffer.from('pem').toString('base64')
    const cluster = { 'certificate-authority-data': data, 'tls-server-name': 'kubernetes' }
    const user = { token: 't', 'client-certificate-data': data, 'client-key-data': data }
    const config = await loadConfig({ kubeconfig: await file('plain', kubeconfig({ cluster, user })) })
    expect(config).toMatchObject({ server: new URL('https://one:6443'), namespace: 'apps' })
    const pem = Buffer.from('pem')
    expect(await config.credentials()).toEqual({
      authorization: 'Bearer t',
      tls: { ca: pem, cert: pem, key: pem, servername: 'kubernetes' },
    })
  })

  it('finds files beside itself, takes another context and a user to act as', async () => {
    await file('token', 'from-file\n')
    await file('ca.pem', 'pem')
    const user = { tokenFile: 'token', as: 'somebody', 'as-groups': ['a', 'b'] }
    const path = await file('relative', kubeconfig({ cluster: { 'certificate-authority': 'ca.pem' }, user }))
    const config = await loadConfig({ kubeconfig: path })
    expect(await config.credentials()).toEqual({ authorization: 'Bearer from-file', tls: { ca: 'pem' } })
    expect(config.identity).toEqual({ user: 'somebody', groups: ['a', 'b'] })
    expect((await loadConfig({ kubeconfig: path, context: 'two' })).server.href).toBe('https://two:6443/prefix')
  })

  it('merges several files of KUBECONFIG: the first that has a name wins, one that is missing does not matter', async () => {
    const first = await file('first', '{"users":[{"name":"one","user":{"username":"u","password":"p"}}]}')
    const second = await file('second', kubeconfig({ user: { token: 'no' } }))
    const config = await loadConfig({ env: { KUBECONFIG: [first, join(directory, 'missing'), second].join(delimiter) } })
    expect((await config.credentials()).authorization).toBe(`Basic ${Buffer.from('u:p').toString('base64')}`)
  })

  it('names the file and what is missing in it', async () => {
    const load = async (name: string, content: string, context?: string) =>
      loadConfig({ kubeconfig: await file(name, content), ...(context && { context }) })
    await expect(load('none', kubeconfig(), 'three')).rejects.toThrow(`${join(directory, 'none')}: context "three" does not exist`)
    await expect(load('empty', '')).rejects.toThrow('no current-context')
    await expect(load('url', kubeconfig({ server: 'one' }))).rejects.toThrow('server "one" is not a URL')
    await expect(load('yaml', 'token: "secret\n: [')).rejects.toThrow(/^[^\n]*: the kubeconfig is not valid YAML$/)
    await expect(loadConfig({ kubeconfig: '/nowhere' })).rejects.toThrow('failed to read the kubeconfig')
    await expect(loadConfig({ env: {} })).rejects.toThrow('no Kubernetes configuration')
  })

  it('runs an exec plugin', async () => {
    const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status: { token: 'by-plugin' } }
    const plugin = await file('plugin', `#!/bin/sh\necho '${JSON.stringify(credential)}'\n`)
    await chmod(plugin, 0o755)
    const exec = { apiVersion: credential.apiVersion, command: './plugin', interactiveMode: 'Never' }
    const config = await loadConfig({ kubeconfig: await file('exec', kubeconfig({ user: { exec } })) })
    expect((await config.credentials()).authorization).toBe('Bearer by-plugin')
  })

  it('does not load client-node, which costs 90 MB, unless a plugin needs it', async () => {
    const path = await file('light', kubeconfig({ user: { token: 't' } }))
    const script = `
      import { registerHooks } from 'node:module'
      registerHooks({
        resolve(specifier, context, next) {
          if (specifier.includes('client-node')) console.log('loads client-node')
          return next(specifier, context)
        },
      })
      const { connect } = await import('./src/kube/connect.ts')
      await using client = await connect({ kubeconfig: ${JSON.stringify(path)} })
      console.log('connected')`
    const output = execFileSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' })
    expect(output).toBe('connected\n')
  })
})

describe('a kubeconfig that a tenant gave', () => {
  const origin = 'Secret "apps/prod" key "value"'

  it('must be complete in itself', () => {
    for (const user of [{ tokenFile: '/etc/passwd' }, { 'client-key': '/etc/shadow' }]) {
      expect(() => parseConfig({ text: kubeconfig({ user }), origin })).toThrow(
        /^Secret "apps\/prod" key "value": ".*" names a file/,
      )
    }
  })

  it('F-OPS-08 must not run programs, and the message names the Secret', () => {
    const text = kubeconfig({ user: { exec: { command: '/bin/sh' } } })
    expect(() => parseConfig({ text, origin })).toThrow(`${origin}: exec plugins and auth providers are not allowed`)
    expect(() => parseConfig({ text, origin, allowExec: true })).not.toThrow()
  })

  it('cannot switch certificate verification off', async () => {
    const text = kubeconfig({ cluster: { 'insecure-skip-tls-verify': true } })
    expect((await parseConfig({ text, origin }).credentials()).tls).toEqual({})
    expect((await parseConfig({ text, origin, allowInsecureTls: true }).credentials()).tls).toEqual({ rejectUnauthorized: false })
  })

  it('does not repeat its content in messages', () => {
    expect(() => parseConfig({ text: 'users: [{token: hunter2', origin })).toThrow(/^((?!hunter2).)*$/)
  })
})
