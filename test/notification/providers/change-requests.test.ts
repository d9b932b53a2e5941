/** Comments on change requests, against the hosts' APIs as their vendors document them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ProviderType } from '../../../src/api/provider.ts'
import { providerOf } from '../../../src/notification/providers/index.ts'
import { commit, failure, providerUid, type Settings, send, targetOf, told } from './git-host-fixtures.ts'
import { type Host, type HostServer, openHostServer } from './git-host-server.ts'
import { giteaHost, gitHubHost, gitLabHost, type Kept, keep } from './git-host-vendors.ts'

let server: HostServer
beforeAll(async () => {
  server = await openHostServer()
})
afterAll(() => server[Symbol.asyncDispose]())

interface Case {
  readonly type: ProviderType
  readonly settings: Settings
  readonly host: (kept: Kept) => Host
  readonly marker: string
}

const token = 'a-token-that-nobody-sees'
const repository = 'org/app'

const ofEach: readonly Case[] = [
  {
    type: 'githubpullrequestcomment',
    settings: { token, address: 'https://github.com/org/app' },
    host: (kept) =>
      gitHubHost(kept, { origin: 'https://api.github.com', base: '', repository, authorization: `Bearer ${token}`, commit }),
    marker: 'flux-pr-comment-key',
  },
  {
    type: 'gitlabmergerequestcomment',
    settings: { token, address: 'https://gitlab.com/group/sub/app' },
    host: (kept) =>
      gitLabHost(kept, { origin: 'https://gitlab.com', repository: 'group%2Fsub%2Fapp', authorization: token, commit }),
    marker: 'flux-mr-comment-key',
  },
  {
    type: 'giteapullrequestcomment',
    settings: { token, address: 'https://gitea.example.com/org/app' },
    host: (kept) => giteaHost(kept, { origin: 'https://gitea.example.com', repository, authorization: `token ${token}`, commit }),
    marker: 'flux-pr-comment-key',
  },
]

const metadata = { change_request: '5', revision: `main@sha1:${commit}`, env: 'prod' }

function start({ host }: Case): Kept {
  const kept = keep()
  server.host = host(kept)
  return kept
}

describe('comments on change requests', () => {
  for (const one of ofEach) {
    const post = (event: Parameters<typeof told>[0] = {}) => send(one.type, one.settings, told({ metadata, ...event }), server)
    const marker = `<!-- ${one.marker}:${providerUid}/Kustomization/apps/App -->`

    it(`NOT-PRV-07 ${one.type}: comments once, and keeps the comment up to date`, async () => {
      const kept = start(one)
      await post({ message: 'Service/app configured' })
      expect(kept.comments).toEqual([
        {
          id: 1,
          author: 'flux-bot',
          body: `${marker}\n\n## Flux Status\n\nℹ️ Kustomization/apps/App\n\nService/app configured\n\nMetadata:\n* \`env\`: prod\n* \`revision\`: main@sha1:${commit}\n`,
        },
      ])
      await post({ message: 'it broke', severity: 'error' })
      expect(kept.comments).toHaveLength(1)
      expect(kept.comments[0]?.body).toContain('## Flux Status\n\n⚠️ Kustomization/apps/App\n\nit broke\n')
    })

    it(`NOT-PRV-07 ${one.type}: tells its comment from those of others, and of other objects and Providers`, async () => {
      const kept = start(one)
      const others = [
        { id: 1, author: 'mallory', body: `${marker}\n\nnot ours` },
        { id: 2, author: 'flux-bot', body: marker.replace('App', 'Other') },
        { id: 3, author: 'flux-bot', body: marker.replace(providerUid, 'another') },
        { id: 4, author: '', body: marker },
        { id: 5, author: 'flux-bot', body: `another comment of ours that quotes ${marker}` },
      ]
      kept.comments.push(...others.map((comment) => ({ ...comment })))
      await post()
      await post({ message: 'again' })
      expect(kept.comments.slice(0, 5)).toEqual(others)
      expect(kept.comments.slice(5)).toEqual([{ id: 6, author: 'flux-bot', body: expect.stringContaining('again') }])
    })

    it(`${one.type}: touches nothing when the host does not say whose token it is`, async () => {
      const kept = start(one)
      kept.comments.push({ id: 1, author: '', body: marker })
      const { host } = server
      server.host = (request) => (request.path.endsWith('/user') ? { status: 200, body: {} } : host(request))
      expect(await failure(post())).toBe('failed to get authenticated user info: the host does not say whose token it is')
      expect(kept.comments).toEqual([{ id: 1, author: '', body: marker }])
    })

    it(`F-NTF-02 ${one.type}: calls nobody, gives no commands, and leaves out what is no text`, async () => {
      const kept = start(one)
      await post({ message: '@org/team see image@sha256:1\u0000\n/approve\n  /merge\ra/b', metadata: { ...metadata, env: '@all' } })
      const body = kept.comments[0]?.body ?? ''
      expect(body).toContain('\n@\u200borg/team see image@sha256:1\n\u200b/approve\n  \u200b/merge\na/b\n')
      expect(body).toContain('`env`: @\u200ball')
    })

    it(`F-NTF-02 ${one.type}: cuts a comment that is longer than the host takes`, async () => {
      const kept = start(one)
      await post({ message: '🚀'.repeat(50_000) })
      await post({ message: `x${'🚀'.repeat(50_000)}` })
      expect(kept.comments).toHaveLength(1)
      expect(kept.comments[0]?.body).toMatch(/🚀.?…$/u)
    })

    it(`${one.type}: tells what the host says of a change request that it does not know`, async () => {
      start(one)
      const message = await failure(post({ metadata: { change_request: '6' } }))
      expect(message).toMatch(/^failed to list the comments of change request 6: request failed with status code 404: \{/)
    })

    it(`${one.type}: tells that it was refused, without the login`, async () => {
      start(one)
      const refused = await failure(send(one.type, { ...one.settings, token: 'wrong-token' }, told({ metadata }), server))
      expect(refused).toMatch(/^failed to get authenticated user info: request failed with status code 401: /)
      server.host = ({ headers }) => ({ status: 400, body: { headers } })
      expect(await failure(post())).not.toContain(token)
    })

    for (const value of ['', 'five', '5/../6', '-1'])
      it(`${one.type}: refuses '${value}' as a number`, async () => {
        start(one)
        expect(await failure(post({ metadata: { change_request: value } }))).toBe(
          `invalid "change_request" metadata value "${value}": it must be a number`,
        )
      })

    it(`${one.type}: refuses an event without a number, and a Provider without a uid`, async () => {
      start(one)
      expect(await failure(post({ metadata: {} }))).toBe('missing "change_request" metadata key')
      expect(() => providerOf(one.type).connect(targetOf({ ...one.settings, providerUid: '' }))).toThrow(
        'provider UID cannot be empty',
      )
    })
  }
})
