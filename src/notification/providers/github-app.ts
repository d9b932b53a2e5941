/**
 * Logging in as a GitHub App: a signed claim is exchanged for a token of its installation.
 * Source: https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
 */
import { createPrivateKey, createSign, type KeyObject } from 'node:crypto'
import type { Sender, Target } from '../notifier.ts'
import { attempt, GitApi, record } from './git-host.ts'

/** What a Secret says of an app. */
export interface GitHubApp {
  readonly id: string
  readonly key: KeyObject
  /** Address of the API. */
  readonly base: string
  readonly installation: { readonly id: string } | { readonly owner: string }
}

/** Clocks differ: a claim must not be of the future, and must not have ended. */
const skewSeconds = 60
const claimSeconds = 300

/** @param base of the API, unless the Secret says so. @throws Error that names the key of the Secret that is missing or wrong. */
export function gitHubApp({ secret }: Target, base: string): GitHubApp {
  const at = (key: string) => secret.get(key)?.trim()
  const id = at('githubAppID')
  if (!id) throw new Error('github token or github app details must be specified: the Secret must have a key token or githubAppID')
  return {
    id,
    key: privateKey(at('githubAppPrivateKey')),
    base: apiAddress(at('githubAppBaseURL')) ?? base,
    installation: installation(at('githubAppInstallationID'), at('githubAppInstallationOwner')),
  }
}

/** A token of the app's installation, good for an hour. @throws Error with what GitHub answered. */
export async function appToken(app: GitHubApp, sender: Sender): Promise<string> {
  const api = claimed(app, sender)
  const id = 'id' in app.installation ? app.installation.id : await installationOf(app.installation.owner, api)
  const answer = await attempt(
    `failed to get a token of installation ${id} of the GitHub App`,
    api.send('POST', `/app/installations/${id}/access_tokens`, {}),
  )
  const { token } = record(answer.json())
  if (typeof token !== 'string') throw new Error(`GitHub gave no token for installation ${id} of the GitHub App`)
  return token
}

/** As whom the app writes: `<slug>[bot]`. @throws Error with what GitHub answered. */
export async function appLogin(app: GitHubApp, sender: Sender): Promise<string> {
  const { slug } = record((await claimed(app, sender).get('/app')).json())
  return slug ? `${slug}[bot]` : ''
}

/** By its owner: an organisation, else a user. */
async function installationOf(owner: string, api: GitApi): Promise<string> {
  const name = encodeURIComponent(owner)
  const find = async () => {
    const ofOrganisation = await api.get(`/orgs/${name}/installation`, { accept: [404] })
    return ofOrganisation.status === 404 ? api.get(`/users/${name}/installation`) : ofOrganisation
  }
  return String(record((await attempt(`failed to find the installation of the GitHub App for '${owner}'`, find())).json()).id ?? '')
}

function installation(id: string | undefined, owner: string | undefined): GitHubApp['installation'] {
  if (id && owner) throw new Error('only one of githubAppInstallationOwner and githubAppInstallationID may be in the Secret')
  if (owner) return { owner }
  if (id && /^\d+$/.test(id)) return { id }
  throw new Error('the Secret of a GitHub App must have a key githubAppInstallationOwner, or githubAppInstallationID with a number')
}

function privateKey(pem: string | undefined): KeyObject {
  if (!pem) throw new Error('the Secret of a GitHub App must have a key githubAppPrivateKey')
  const key = parsedKey(pem)
  if (key?.asymmetricKeyType === 'rsa') return key
  throw new Error("key 'githubAppPrivateKey' of the Secret is no RSA private key in PEM form")
}

/** The error of the parser might show a part of the key. */
function parsedKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem)
  } catch {
    return undefined
  }
}

function apiAddress(address: string | undefined): string | undefined {
  if (!address) return undefined
  const protocol = URL.parse(address)?.protocol
  if (protocol === 'https:' || protocol === 'http:') return address.replace(/\/+$/, '')
  throw new Error("key 'githubAppBaseURL' of the Secret is no http or https URL")
}

function claimed({ id, key, base }: GitHubApp, sender: Sender): GitApi {
  return new GitApi(sender, base, gitHubHeaders(signedClaim(id, key, sender.now())))
}

function signedClaim(appId: string, key: KeyObject, nowMs: number): string {
  const now = Math.floor(nowMs / 1000)
  const parts = [
    { alg: 'RS256', typ: 'JWT' },
    { iat: now - skewSeconds, exp: now + claimSeconds, iss: appId },
  ]
  const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${text}.${createSign('RSA-SHA256').update(text).sign(key, 'base64url')}`
}

/** What GitHub wants of every request. */
export function gitHubHeaders(token: string): Readonly<Record<string, string>> {
  return { authorization: `Bearer ${token}`, accept: 'application/vnd.github+json', 'user-agent': 'sluice' }
}
