/** Commit statuses, against the hosts' APIs as their vendors document them. */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ProviderType } from '../../../src/api/provider.ts'
import { providerOf } from '../../../src/notification/providers/index.ts'
import { commit, failure, type Settings, send, targetOf, told } from './git-host-fixtures.ts'
import { type HostServer, openHostServer } from './git-host-server.ts'
import {
  azureDevOpsHost,
  bitbucketHost,
  bitbucketServerHost,
  giteaHost,
  gitHubHost,
  gitLabHost,
  type HostOptions,
  type Kept,
  keep,
} from './git-host-vendors.ts'

let server: HostServer
beforeAll(async () => {
  server = await openHostServer()
})
afterAll(() => server[Symbol.asyncDispose]())

interface Case {
  readonly name: string
  readonly type: ProviderType
  readonly settings: Settings
  readonly host: (kept: Kept, options: HostOptions) => (typeof server)['host']
  readonly options: Omit<HostOptions, 'commit'>
  readonly success: object
  readonly failure: object
}

const id = 'kustomization/app/0c9c2e41'
const key = createHash('sha1').update(id).digest('hex')
const words = { success: 'reconciliation succeeded', failure: 'build failed' }
const token = 'a-token-that-nobody-sees'

function basic(login: string): string {
  return `Basic ${Buffer.from(login).toString('base64')}`
}

const gitHub = {
  type: 'github',
  settings: { token },
  success: { state: 'success', context: id, description: words.success },
  failure: { state: 'failure', context: id, description: words.failure },
} as const

function gitHubCase(address: string, origin: string, base: string): Case {
  return {
    ...gitHub,
    name: `github ${address}`,
    settings: { token, address },
    host: (kept, options) => gitHubHost(kept, { ...options, base }),
    options: { origin, repository: 'org/app', authorization: `Bearer ${token}` },
  }
}

function gitLabCase(address: string, repository: string): Case {
  return {
    name: `gitlab ${address}`,
    type: 'gitlab',
    settings: { token, address },
    host: gitLabHost,
    options: { origin: 'https://gitlab.com', repository, authorization: token },
    success: { status: 'success', name: id, description: words.success, sha: commit },
    failure: { status: 'failed', name: id, description: words.failure, sha: commit },
  }
}

function giteaCase(address: string, origin: string, settings: Settings = { token }): Case {
  return {
    name: `gitea ${address}`,
    type: 'gitea',
    settings: { ...settings, address },
    host: giteaHost,
    options: { origin, repository: 'org/app', authorization: `token ${token}` },
    success: { status: 'success', context: id, description: words.success },
    failure: { status: 'failure', context: id, description: words.failure },
  }
}

function bitbucketCase(address: string): Case {
  const body = { key, url: 'https://bitbucket.org', name: 'kustomization/app' }
  return {
    name: `bitbucket ${address}`,
    type: 'bitbucket',
    settings: { token: `user:${token}`, address },
    host: bitbucketHost,
    options: { origin: 'https://api.bitbucket.org', repository: 'org/app', authorization: basic(`user:${token}`) },
    success: { ...body, state: 'SUCCESSFUL', description: words.success },
    failure: { ...body, state: 'FAILED', description: words.failure },
  }
}

function bitbucketServerCase(context: string, settings: Settings, authorization: string, path = 'scm/proj/app.git'): Case {
  const address = `https://bitbucket.example.com:443${context}/${path}`
  const [, project, name] = path.replace('.git', '').split('/')
  const url = `https://bitbucket.example.com${context}/${path}`
  const body = (state: string, description: string) => ({
    key,
    state,
    url,
    name: `kustomization/app [${description}]`,
    description,
  })
  return {
    name: `bitbucketserver ${address}`,
    type: 'bitbucketserver',
    settings: { ...settings, address },
    host: (kept, options) => bitbucketServerHost(kept, { ...options, context }),
    options: { origin: 'https://bitbucket.example.com', repository: `projects/${project}/repos/${name}`, authorization },
    success: body('SUCCESSFUL', words.success),
    failure: body('FAILED', words.failure),
  }
}

function azureCase(address: string, repository = 'org/My%20Project/_apis/git/repositories/app'): Case {
  const context = { name: id, genre: 'fluxcd' }
  return {
    name: `azuredevops ${address}`,
    type: 'azuredevops',
    settings: { token, address },
    host: azureDevOpsHost,
    options: { origin: 'https://dev.azure.com', repository, authorization: basic(`:${token}`) },
    success: { state: 'succeeded', description: words.success, context },
    failure: { state: 'error', description: words.failure, context },
  }
}

const ofEach: readonly Case[] = [
  gitHubCase('https://github.com/org/app', 'https://api.github.com', ''),
  gitLabCase('https://gitlab.com/group/sub/app.git', 'group%2Fsub%2Fapp'),
  giteaCase('https://gitea.example.com/org/app', 'https://gitea.example.com'),
  bitbucketCase('https://bitbucket.org/org/app'),
  bitbucketServerCase('', { token }, `Bearer ${token}`),
  azureCase('https://dev.azure.com/org/My%20Project/_git/app'),
]

const otherAddresses: readonly Case[] = [
  gitHubCase('git@github.com:org/app.git', 'https://api.github.com', ''),
  gitHubCase('ssh://git@github.com:22/org/app', 'https://api.github.com', ''),
  gitHubCase('https://github.example.com/org/app.git', 'https://github.example.com', '/api/v3'),
  gitHubCase('http://github.example.com:8080/org/app/', 'http://github.example.com:8080', '/api/v3'),
  gitHubCase('https://someone:hidden@api.octo.example.com/org/app', 'https://api.octo.example.com', ''),
  gitLabCase('git@gitlab.com:group/app.git', 'group%2Fapp'),
  giteaCase('ssh://git@gitea.example.com:2222/org/app.git', 'https://gitea.example.com'),
  giteaCase('http://gitea.example.com:3000/org/app', 'http://gitea.example.com:3000', { password: token }),
  bitbucketCase('git@bitbucket.org:org/app.git'),
  bitbucketServerCase('/context', { username: 'user', password: token }, basic(`user:${token}`)),
  bitbucketServerCase('/scm/scm', { token }, `Bearer ${token}`),
  bitbucketServerCase('', { token }, `Bearer ${token}`, 'scm/~user/app.git'),
  azureCase('https://org@dev.azure.com/org/My%20Project/_git/app'),
  azureCase('git@ssh.dev.azure.com:v3/org/My%20Project/app'),
]

/** A host with nothing in it, and what it keeps. */
function start({ host, options }: Case): Kept {
  const kept = keep()
  server.host = host(kept, { ...options, commit })
  return kept
}

const failed = { severity: 'error', reason: 'BuildFailed' } as const

describe('commit statuses', () => {
  for (const one of ofEach) {
    const post = (notification = told()) => send(one.type, one.settings, notification, server)

    it(`NOT-PRV-06 ${one.type}: says how it went, once, and again when that changes`, async () => {
      const kept = start(one)
      await post()
      await post()
      expect(kept.statuses).toEqual([one.success])
      await post(told(failed))
      await post(told(failed))
      await post()
      expect(kept.statuses).toEqual([one.success, one.failure, one.success])
    })

    it(`${one.type}: leaves the statuses of others alone`, async () => {
      const kept = start(one)
      const other = { ...one, settings: { ...one.settings, commitStatus: 'kustomization/app/another' } }
      await post()
      await send(other.type, other.settings, told(), server)
      await post()
      await send(other.type, other.settings, told(), server)
      expect(kept.statuses).toHaveLength(2)
    })

    it(`${one.type}: says ${one.type === 'gitea' ? 'pending' : 'nothing'} while something is under way`, async () => {
      const kept = start(one)
      await post(told({ reason: 'Progressing' }))
      const pending = { status: 'pending', context: id, description: 'progressing' }
      expect(kept.statuses).toEqual(one.type === 'gitea' ? [pending] : [])
    })

    it(`${one.type}: tells what the host says of a commit that it does not know, after one try`, async () => {
      start(one)
      const unknown = 'a'.repeat(40)
      const before = server.requests.length
      const message = await failure(post(told({ ...failed, metadata: { revision: `main@sha1:${unknown}` } })))
      expect(message).toMatch(
        new RegExp(`^could not (read|set) the status(es)? of commit ${unknown}: request failed with status code 4\\d\\d: \\{`),
      )
      const paths = server.requests.slice(before).map(({ method }) => method)
      expect(paths.length).toBe(new Set(paths).size)
    })

    it(`${one.type}: tells that it was refused, without the login, even when the answer repeats it`, async () => {
      start(one)
      const wrong = { ...one.settings, token: one.type === 'bitbucket' ? 'user:wrong-token' : 'wrong-token', password: '' }
      expect(await failure(send(one.type, wrong, told(), server))).toMatch(/status code 401|the answer is no JSON/)
      server.host = ({ headers, query }) => ({ status: 400, body: { headers, query: query.toString() } })
      const repeated = await failure(post())
      expect(repeated).toContain('status code 400')
      expect(repeated).toContain('*****')
      expect(repeated).not.toContain(token)
      expect(repeated).not.toContain(Buffer.from(`:${token}`).toString('base64').slice(0, 12))
      expect(repeated).not.toContain(Buffer.from(`user:${token}`).toString('base64').slice(0, 12))
    })
  }

  for (const one of otherAddresses)
    it(`NOT-PRV-06 finds the API of ${one.name}`, async () => {
      const kept = start(one)
      await send(one.type, one.settings, told(), server)
      await send(one.type, one.settings, told(), server)
      expect(kept.statuses).toEqual([one.success])
    })

  const [first] = ofEach as [Case]
  const stated = async (metadata: Readonly<Record<string, string>>) => {
    const kept = start(first)
    await send(first.type, first.settings, told({ metadata }), server)
    return kept.statuses.length
  }

  for (const revision of [
    commit,
    `sha1:${commit}`,
    `main@sha1:${commit}`,
    `feature/x@sha1:${commit}`,
    `refs/tags/v1@sha1:${commit}`,
    `main/${commit}`,
    `feature/x/${commit}`,
    `HEAD/${commit}`,
  ])
    it(`finds the commit of ${revision}`, async () => expect(await stated({ revision })).toBe(1))

  it('takes the commit that was annotated, else that of the origin, else the revision', async () => {
    const other = `main@sha1:${'b'.repeat(40)}`
    const digest = `latest@sha256:${'c'.repeat(64)}`
    expect(await stated({ commit, originRevision: other, revision: other })).toBe(1)
    expect(await stated({ originRevision: `main@sha1:${commit}`, revision: digest })).toBe(1)
  })

  for (const [revision, name] of [
    [`latest@sha256:${'c'.repeat(64)}`, 'the digest of an artifact'],
    ['6.5.4', 'the version of a chart'],
    ['main', 'a branch'],
    ['main@sha1:5394cb7', 'a short hash'],
    ['', 'nothing'],
  ] as const)
    it(`refuses ${name} as a commit`, async () => {
      await expect(stated({ revision })).rejects.toThrow(`failed to extract commit hash from '${revision}' revision`)
    })

  it('refuses an event without a revision', async () => {
    await expect(stated({})).rejects.toThrow('missing revision metadata')
  })

  for (const [reason, expected] of [
    ['ApplySucceeded', 'apply succeeded'],
    ['HTTPRequestFailed', 'http request failed'],
    ['Retry3Times', 'retry 3 times'],
    ['reason', 'reason'],
    ['Has_Parts', 'has _ parts'],
    ['お知らせDone', 'お知らせ done'],
    ['X'.repeat(300), 'x'.repeat(140)],
  ] as const)
    it(`describes ${reason.slice(0, 20)} as ${expected.slice(0, 20)}`, async () => {
      const kept = start(first)
      await send(first.type, first.settings, told({ reason }), server)
      await send(first.type, first.settings, told({ reason }), server)
      expect(kept.statuses.map(({ description }) => description)).toEqual([expected])
    })

  it('azuredevops: tells statuses apart by the summary too', async () => {
    const azure = ofEach.find(({ type }) => type === 'azuredevops') as Case
    const kept = start(azure)
    const metadata = { revision: `main@sha1:${commit}`, summary: 'production' }
    for (const event of [told(), told({ metadata }), told(), told({ metadata })])
      await send(azure.type, azure.settings, event, server)
    expect(kept.statuses.map(({ context }) => context)).toEqual([
      { name: id, genre: 'fluxcd' },
      { name: id, genre: 'fluxcd:production' },
    ])
  })

  it('bitbucketserver: gives everyone a link without the login of the address', async () => {
    const one = bitbucketServerCase('', { token }, `Bearer ${token}`)
    const kept = start(one)
    const address = 'https://someone:hidden@bitbucket.example.com/scm/proj/app.git'
    await send(one.type, { ...one.settings, address }, told(), server)
    expect(kept.statuses).toEqual([one.success])
  })

  it('bitbucketserver: sets the status when the server answers that there is none, without content', async () => {
    const one = bitbucketServerCase('', { token }, `Bearer ${token}`)
    const kept = start(one)
    const { host } = server
    server.host = (request) => (request.method === 'GET' ? { status: 204 } : host(request))
    await send(one.type, one.settings, told(), server)
    expect(kept.statuses).toEqual([one.success])
  })
})

describe('settings of commit statuses', () => {
  const refused: readonly (readonly [ProviderType, Settings, string])[] = [
    ['github', { address: 'https://github.com/app', token }, "invalid repository id: 'app' is not <owner>/<name>"],
    ['github', { address: 'https://github.com/a/b/c', token }, "invalid repository id: 'a/b/c' is not <owner>/<name>"],
    ['github', { address: 'github.com/org/app', token }, 'the address must be the URL of a Git repository: set spec.address'],
    ['github', { address: 'git://github.com/org/app', token }, 'the address must be the URL of a Git repository'],
    ['github', { address: '', token }, 'the address must be the URL of a Git repository'],
    ['github', { address: 'https://github.com/org/app' }, 'github token or github app details must be specified'],
    ['gitlab', { address: 'https://gitlab.com/org/app' }, 'gitlab token cannot be empty'],
    ['gitea', { address: 'https://gitea.example.com/org/app' }, 'gitea token cannot be empty'],
    ['gitea', { address: 'https://gitea.example.com/org', token }, 'invalid repository id'],
    ['bitbucket', { address: 'https://bitbucket.org/org/app' }, 'bitbucket token cannot be empty'],
    ['bitbucket', { address: 'https://bitbucket.org/org/app', token }, 'invalid token format, expected to be <user>:<password>'],
    ['bitbucketserver', { address: 'ssh://git@example.com/proj/app', token }, 'it must be an http or https clone URL'],
    ['bitbucketserver', { address: 'https://example.com/proj/app.git', token }, 'ends with /scm/<project>/<repository>.git'],
    ['bitbucketserver', { address: 'https://example.com/scm/a/b/c.git', token }, 'ends with /scm/<project>/<repository>.git'],
    [
      'bitbucketserver',
      { address: 'https://example.com/scm/a/b.git', username: 'user' },
      'invalid credentials, expected to be one of username/password or API Token',
    ],
    ['azuredevops', { address: 'https://dev.azure.com/org/_git/app', token }, 'is not <organisation>/<project>/_git/<repository>'],
    ['azuredevops', { address: 'https://dev.azure.com/org/project/_git/app' }, 'the Secret must have a key token'],
    ...ofEach.map(({ type, settings }) => [type, { ...settings, commitStatus: '' }, 'commit status cannot be empty'] as const),
  ]
  for (const [type, settings, message] of refused)
    it(`${type}: refuses ${settings.commitStatus === '' ? 'an empty id' : `'${settings.address}': ${message}`}`, () => {
      expect(() => providerOf(type).connect(targetOf(settings))).toThrow(message)
    })

  it('never shows the login of an address', () => {
    for (const address of ['https://u:hidden@github.com/app', 'u:hidden@github.com/org/app', 'ftp://u:hidden@github.com/org/app'])
      expect(() => providerOf('github').connect(targetOf({ address, token }))).toThrow(/^(?!.*hidden)/)
  })
})
