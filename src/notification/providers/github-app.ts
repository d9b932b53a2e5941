/**
 * Logging in as a GitHub App: a signed claim is exchanged for a token of its installation.
 * Source: https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
 */
import { createPrivateKey, createSign, type KeyObject } from 'node:crypto'
import type { Sender, Target } from '../notifier.ts'
import { GitApi, records } from './git-host.ts'

export interface AppToken {
  readonly token: string
  /** The app's name in addresses; it writes as `<slug>[bot]`. */
  readonly slug: string
}

const claimSeconds = 540
/** GitHub's clock may be behind ours. */
const skewSeconds = 60

export function hasApp({ secret }: Target): boolean {
  return Boolean(secret.get('githubAppID'))
}

/** @throws Error that names the key of the Secret that is missing or wrong; DeliveryError when GitHub refuses. */
export async function appToken(
  { secret }: Target,
  { base, owner }: { readonly base: string; readonly owner: string },
  sender: Sender,
): Promise<AppToken> {
  const claim = signedClaim(required(secret, 'githubAppID'), privateKey(required(secret, 'githubAppPrivateKey')), Date.now())
  const api = new GitApi(sender, secret.get('githubAppBaseURL')?.trim() || base, {
    authorization: `Bearer ${claim}`,
    accept: 'application/vnd.github+json',
    'user-agent': 'sluice',
  })
  const installation = secret.get('githubAppInstallationID')?.trim() || (await installationOf(api, secret, owner))
  const answer = await api.send('POST', `/app/installations/${encodeURIComponent(installation)}/access_tokens`, {})
  const app = records([(await api.get('/app')).json()])[0]
  const token = records([answer.json()])[0]?.token
  if (typeof token !== 'string') throw new Error('GitHub gave no token for the installation of the app')
  return { token, slug: String(app?.slug ?? '') }
}

/** By its owner: an organisation, else a user. */
async function installationOf(api: GitApi, secret: Target['secret'], owner: string): Promise<string> {
  const name = encodeURIComponent(secret.get('githubAppInstallationOwner')?.trim() || owner)
  const ofOrganisation = await api.get(`/orgs/${name}/installation`, { accept: [404] })
  const answer = ofOrganisation.status === 404 ? await api.get(`/users/${name}/installation`) : ofOrganisation
  return String(records([answer.json()])[0]?.id ?? '')
}

function required(secret: Target['secret'], key: string): string {
  const value = secret.get(key)?.trim()
  if (value) return value
  throw new Error(`key '${key}' of the Secret is missing or empty`)
}

function privateKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch {
    throw new Error("key 'githubAppPrivateKey' of the Secret is no PEM private key")
  }
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
