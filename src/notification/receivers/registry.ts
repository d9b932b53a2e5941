/** Registries of images and packages. */
import { createHmac } from 'node:crypto'
import { fieldOf } from '../json.ts'
import { accepted, assertSecret, bearerOf, type Check, decoded } from './check.ts'

export const harbor: Check = ({ call, token }) => {
  assertSecret(call.headers.get('authorization'), token, 'the Harbor Authorization header value')
  return accepted(call)
}

export const dockerhub: Check = ({ call }) => {
  decoded(call.body, { push_data: { tag: 'string' }, repository: { repo_url: 'string' } }, 'DockerHub')
  return accepted(call)
}

export const quay: Check = ({ call }) => {
  decoded(call.body, { docker_url: 'string', updated_tags: 'strings' }, 'Quay')
  return accepted(call)
}

export const acr: Check = ({ call }) => {
  decoded(call.body, { action: 'string', target: { repository: 'string', tag: 'string' } }, 'ACR')
  return accepted(call)
}

/** The signature is a text in lower case. Source: help.sonatype.com, "Working with HMAC payloads". */
export const nexus: Check = ({ call, token }) => {
  if (token.length === 0) throw new Error('the receiver token is empty: anybody could sign with it')
  const signature = createHmac('sha1', token).update(call.body).digest('hex')
  assertSecret(call.headers.get('x-nexus-webhook-signature'), Buffer.from(signature), 'the Nexus signature')
  decoded(call.body, { action: 'string', repositoryName: 'string' }, 'Nexus')
  return accepted(call)
}

const messageShape = { message: { data: 'string', messageId: 'string', publishTime: 'string', subscription: 'string' } } as const

/** Google Pub/Sub pushes what happened to an image, with an ID token. Source: cloud.google.com/pubsub, "Authentication for push". */
export const gcr: Check = async ({ call, secret, issuers }) => {
  const [email, audience] = ['email', 'audience'].map((key) => required(secret(key), key))
  const claims = await issuers.googleClaimsOf(bearerOf(call), audience ?? '')
  if (claims.email !== email) throw new Error(`token email is ${JSON.stringify(claims.email)?.slice(0, 300)}, want "${email}"`)
  if (claims.email_verified !== true) throw new Error(`token email "${email}" is not verified`)
  const data = fieldOf(fieldOf(decoded(call.body, messageShape, 'GCR'), 'message'), 'data')
  const image = decoded(Buffer.from(String(data ?? ''), 'base64'), { action: 'string', digest: 'string', tag: 'string' }, 'GCR')
  const text = (name: string) => String(fieldOf(image, name) ?? '')
  const payload = { action: text('action'), digest: text('digest'), tag: text('tag') }
  return accepted(call, { payload: Buffer.from(JSON.stringify(payload)), about: payload })
}

function required(value: string, key: string): string {
  if (value !== '') return value
  throw new Error(`invalid secret data: required field '${key}' for GCR receiver`)
}
