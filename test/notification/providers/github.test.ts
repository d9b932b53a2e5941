/** What is GitHub's alone: dispatches of workflows, and logging in as an app. */
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { providerOf } from '../../../src/notification/providers/index.ts'
import { clock, commit, failure, type Settings, send, targetOf, told } from './git-host-fixtures.ts'
import { type HostServer, openHostServer } from './git-host-server.ts'
import { type AppOptions, gitHubHost, type HostOptions, type Kept, keep } from './git-host-vendors.ts'

let server: HostServer
beforeAll(async () => {
  server = await openHostServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const token = 'a-token-that-nobody-sees'
const address = 'https://github.com/org/app'

function start(options: Partial<HostOptions> & { readonly base?: string; readonly app?: AppOptions } = {}): Kept {
  const kept = keep()
  const api = { origin: 'https://api.github.com', base: '', repository: 'org/app', authorization: `Bearer ${token}`, commit }
  server.host = gitHubHost(kept, { ...api, ...options })
  return kept
}

describe('repository dispatches', () => {
  it('NOT-PRV-08 starts the workflows of an object with the event as their payload', async () => {
    const kept = start()
    const event = told({ metadata: { revision: `main@sha1:${commit}`, env: 'prod' } })
    await send('githubdispatch', { address, token }, event, server)
    expect(kept.dispatches).toEqual([{ event_type: 'Kustomization/App.apps', client_payload: event.event }])
  })

  it('tells what GitHub says, without the login', async () => {
    start({ repository: 'org/other' })
    const message = await failure(send('githubdispatch', { address, token }, told(), server))
    expect(message).toMatch(
      /^could not send the repository dispatch: request failed with status code 404: \{"message":"no such operation: POST \/repos\/org\/app\/dispatches"\}/,
    )
    server.host = ({ headers }) => ({ status: 400, body: { headers } })
    expect(await failure(send('githubdispatch', { address, token }, told(), server))).not.toContain(token)
  })
})

describe('GitHub Apps', () => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()
  const app: AppOptions = { id: '123', publicKey, installation: 456, token: 'ghs_token_of_the_app', nowMs: () => clock.now() }
  const keys = { githubAppID: '123', githubAppPrivateKey: pem }
  const byId = { ...keys, githubAppInstallationID: '456' }
  const login = (secret: Settings['secret'] = byId): Settings => ({ address, secret })

  it('log in with a claim that the public key verifies, for an installation by its id', async () => {
    const kept = start({ app })
    const metadata = { change_request: '5', revision: `main@sha1:${commit}` }
    await send('github', login(), told(), server)
    await send('githubdispatch', login(), told(), server)
    await send('githubpullrequestcomment', login(), told({ metadata }), server)
    await send('githubpullrequestcomment', login(), told({ metadata, message: 'again' }), server)
    expect(kept.statuses).toHaveLength(1)
    expect(kept.dispatches).toHaveLength(1)
    expect(kept.comments).toEqual([{ id: 1, author: 'gitops[bot]', body: expect.stringContaining('again') }])
  })

  for (const owner of ['organisation', 'user'] as const)
    it(`find their installation by its owner, a ${owner}`, async () => {
      const kept = start({ app: { ...app, [owner]: 'some-owner' } })
      await send('github', login({ ...keys, githubAppInstallationOwner: ' some-owner\n' }), told(), server)
      expect(kept.statuses).toHaveLength(1)
    })

  it('tell that the owner has no installation', async () => {
    start({ app })
    const message = await failure(send('github', login({ ...keys, githubAppInstallationOwner: 'nobody' }), told(), server))
    expect(message).toMatch(
      /^failed to find the installation of the GitHub App for 'nobody': request failed with status code 404: /,
    )
  })

  it('are asked for at the address of the Secret, and take a key in PKCS #8 form', async () => {
    const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const kept = start({ app, origin: 'https://github.example.com', base: '/api/v3' })
    const secret = { ...byId, githubAppPrivateKey: pkcs8, githubAppBaseURL: 'https://github.example.com/api/v3/' }
    await send('github', { address: 'https://github.example.com/org/app', secret }, told(), server)
    await send('github', { address: 'https://github.example.com/org/app', secret: byId }, told({ severity: 'error' }), server)
    expect(kept.statuses).toHaveLength(2)
  })

  it('step back for a token in the Secret', async () => {
    const kept = start()
    await send('github', { ...login(), token }, told(), server)
    expect(kept.statuses).toHaveLength(1)
  })

  it('show neither key, claim nor token in what they fail with', async () => {
    start({ app })
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()
    const refused = await failure(send('github', login({ ...byId, githubAppPrivateKey: other }), told(), server))
    expect(refused).toMatch(/^failed to get a token of installation 456 of the GitHub App: request failed with status code 401: /)
    const { host } = server
    server.host = (request) => (request.path.startsWith('/repos/') ? { status: 400, body: { ...request.headers } } : host(request))
    expect(await failure(send('github', login(), told(), server))).not.toContain(app.token)
    server.host = ({ headers }) => ({ status: 400, body: { ...headers } })
    const claim = await failure(send('github', login(), told(), server))
    expect(claim).toContain('Bearer *****')
    expect(claim).not.toContain('eyJ')
  })

  const refused: readonly (readonly [Readonly<Record<string, string>>, string])[] = [
    [{}, 'github token or github app details must be specified'],
    [{ githubAppInstallationID: '456', githubAppPrivateKey: pem }, 'github token or github app details must be specified'],
    [keys, 'must have a key githubAppInstallationOwner, or githubAppInstallationID'],
    [{ ...keys, githubAppInstallationID: 'x/y' }, 'githubAppInstallationID with a number'],
    [{ ...byId, githubAppInstallationOwner: 'org' }, 'only one of githubAppInstallationOwner and githubAppInstallationID'],
    [{ ...byId, githubAppPrivateKey: '' }, 'must have a key githubAppPrivateKey'],
    [{ ...byId, githubAppPrivateKey: 'hidden' }, "key 'githubAppPrivateKey' of the Secret is no RSA private key in PEM form"],
    [{ ...byId, githubAppBaseURL: 'ftp://hidden' }, "key 'githubAppBaseURL' of the Secret is no http or https URL"],
  ]
  for (const [secret, message] of refused)
    it(`are refused before anything is sent: ${message}`, () => {
      for (const type of ['github', 'githubdispatch', 'githubpullrequestcomment'] as const) {
        const connect = () => providerOf(type).connect(targetOf(login(secret)))
        expect(connect).toThrow(message)
        expect(connect).toThrow(/^(?!.*hidden)/)
      }
    })

  it('are refused a key that is not RSA', () => {
    const { privateKey: ec } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
    const secret = { ...byId, githubAppPrivateKey: ec.export({ type: 'pkcs8', format: 'pem' }).toString() }
    expect(() => providerOf('github').connect(targetOf(login(secret)))).toThrow('is no RSA private key')
  })
})
