/** The Git hosts' APIs as far as notifications use them: each refuses what its vendor documents to refuse. */
import { type KeyObject, verify } from 'node:crypto'
import { type Answer, bodyOf, type Host, type Received, type Route, routed } from './git-host-server.ts'

/** What a host keeps. */
export interface Kept {
  /** Newest last. */
  readonly statuses: Record<string, unknown>[]
  readonly comments: { id: number; author: string; body: string }[]
  readonly dispatches: unknown[]
}

export interface HostOptions {
  /** `https://github.com`: where the API is. */
  readonly origin: string
  /** Raw path of the repository in the API. */
  readonly repository: string
  /** The login that is accepted, as the header has it. */
  readonly authorization: string
  /** The one commit. */
  readonly commit: string
}

export function keep(): Kept {
  return { statuses: [], comments: [], dispatches: [] }
}

const unauthorized: Answer = { status: 401, body: { message: 'Bad credentials' } }

function guarded(host: Host, isAllowed: (request: Received) => boolean): Host {
  return (request) => (isAllowed(request) ? host(request) : unauthorized)
}

function escaped(path: string): string {
  return path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

function refused(message: string): Answer {
  return { status: 422, body: { message } }
}

/** Whether the text is there and no longer. */
function fits(value: unknown, most: number): boolean {
  return typeof value === 'string' && value.length > 0 && value.length <= most
}

export interface AppOptions {
  readonly id: string
  readonly publicKey: KeyObject
  readonly installation: number
  readonly organisation?: string
  readonly user?: string
  readonly token: string
  nowMs(): number
}

/** https://docs.github.com/en/rest (commits/statuses, issues/comments, repos, apps). `base` is the path of the API. */
export function gitHubHost(kept: Kept, options: HostOptions & { readonly base: string; readonly app?: AppOptions }): Host {
  const { origin, base, repository, commit, app } = options
  const at = (path: string) => new RegExp(`^${escaped(base)}${path}$`)
  const below = (path: string) => at(`/repos/${escaped(repository)}${path}`)
  const routes: Route[] = [
    [
      'GET',
      below('/commits/([^/]+)/statuses'),
      ([sha], { query }) => {
        if (Number(query.get('per_page') ?? 30) > 100) return refused('per_page')
        if (sha !== commit) return refused(`No commit found for SHA: ${sha}`)
        return { status: 200, body: kept.statuses.toReversed() }
      },
    ],
    [
      'POST',
      below('/statuses/([^/]+)'),
      ([sha], request) => {
        const { state, description, context, ...others } = bodyOf(request)
        if (sha !== commit) return refused(`No commit found for SHA: ${sha}`)
        if (!['error', 'failure', 'pending', 'success'].includes(String(state))) return refused('state')
        if (!fits(description, 140)) return refused('description is too long (maximum is 140 characters)')
        if (!fits(context, 255) || Object.keys(others).length > 0) return refused('context')
        kept.statuses.push({ state, description, context })
        return { status: 201, body: { state, description, context } }
      },
    ],
    [
      'POST',
      below('/dispatches'),
      (_, request) => {
        const { event_type, client_payload } = bodyOf(request)
        if (!fits(event_type, 100)) return refused('event_type must be 100 characters or fewer')
        if (Object.keys(client_payload as object).length > 10) return refused('No more than 10 properties are allowed')
        kept.dispatches.push({ event_type, client_payload })
        return { status: 204 }
      },
    ],
    ['GET', at('/user'), () => ({ status: 200, body: { login: 'flux-bot', id: 7 } })],
    ...issueComments(kept, below, app ? 'gitops[bot]' : 'flux-bot'),
  ]
  const api = routed(origin, routes)
  const login = app ? `Bearer ${app.token}` : options.authorization
  const ofApp = app && gitHubApps(origin, at, app)
  return (request) => {
    if (!request.headers['user-agent']) return { status: 403, body: 'Request forbidden by administrative rules.' }
    if (request.headers.accept !== 'application/vnd.github+json') return { status: 415 }
    if (ofApp && !request.path.startsWith(`${base}/repos/`)) return ofApp(request)
    return request.headers.authorization === login ? api(request) : unauthorized
  }
}

function gitHubApps(origin: string, at: (path: string) => RegExp, app: AppOptions): Host {
  const installed = { status: 200, body: { id: app.installation } }
  const routes: Route[] = [
    ['GET', at('/app'), () => ({ status: 200, body: { slug: 'gitops', name: 'GitOps' } })],
    ['GET', at('/orgs/([^/]+)/installation'), ([name]) => (name === app.organisation ? installed : undefined)],
    ['GET', at('/users/([^/]+)/installation'), ([name]) => (name === app.user ? installed : undefined)],
    [
      'POST',
      at('/app/installations/(\\d+)/access_tokens'),
      ([id]) => (Number(id) === app.installation ? { status: 201, body: { token: app.token } } : undefined),
    ],
  ]
  return guarded(routed(origin, routes), ({ headers }) => isClaim(headers.authorization ?? '', app))
}

/** https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app */
function isClaim(authorization: string, { id, publicKey, nowMs }: AppOptions): boolean {
  const [, header = '', claims = '', signature = ''] = /^Bearer ([^.]+)\.([^.]+)\.([^.]+)$/.exec(authorization) ?? []
  const parsed = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString() || '{}')
  const { iat, exp, iss } = parsed(claims)
  const now = nowMs() / 1000
  return (
    parsed(header).alg === 'RS256' &&
    verify('RSA-SHA256', Buffer.from(`${header}.${claims}`), publicKey, Buffer.from(signature, 'base64url')) &&
    iss === id &&
    Number.isInteger(iat) &&
    iat <= now &&
    Number.isInteger(exp) &&
    exp > now &&
    exp <= now + 600
  )
}

/** GitHub's, which Gitea took over. */
function issueComments(kept: Kept, below: (path: string) => RegExp, login: string): Route[] {
  const shown = ({ id, body, author }: Kept['comments'][number]) => ({ id, body, user: author === '' ? null : { login: author } })
  return [
    ['GET', below('/issues/5/comments'), () => ({ status: 200, body: kept.comments.map(shown) })],
    ['POST', below('/issues/5/comments'), (_, request) => written(kept, login, request, { isNew: true })],
    ['PATCH', below('/issues/comments/(\\d+)'), ([id], request) => written(kept, login, request, { id: Number(id) })],
  ]
}

function written(kept: Kept, author: string, request: Received, at: { readonly id?: number; readonly isNew?: boolean }): Answer {
  const { body, ...others } = bodyOf(request)
  if (!fits(body, 65_536) || Object.keys(others).length > 0) return refused('Body is too long (maximum is 65536 characters)')
  if (at.isNew) {
    kept.comments.push({ id: kept.comments.length + 1, author, body: String(body) })
    return { status: 201, body: {} }
  }
  const comment = kept.comments.find(({ id }) => id === at.id)
  if (comment?.author !== author) return { status: 403, body: { message: 'Must have admin rights' } }
  comment.body = String(body)
  return { status: 200, body: {} }
}

/** https://docs.gitlab.com/api/commits/#commit-status and https://docs.gitlab.com/api/notes/#merge-requests */
export function gitLabHost(kept: Kept, { origin, repository, authorization, commit }: HostOptions): Host {
  const at = (path: string) => new RegExp(`^/api/v4${path}$`)
  const below = (path: string) => at(`/projects/${escaped(repository)}${path}`)
  const missing = { status: 404, body: { message: '404 Commit Not Found' } }
  const routes: Route[] = [
    [
      'GET',
      below('/repository/commits/([^/]+)/statuses'),
      ([sha], { query }) =>
        sha === commit ? { status: 200, body: latest(kept, 'name').filter(({ name }) => name === query.get('name')) } : missing,
    ],
    [
      'POST',
      below('/statuses/([^/]+)'),
      ([sha], request) => {
        const { state, name, description, ...others } = bodyOf(request)
        if (sha !== commit) return missing
        if (!['pending', 'running', 'success', 'failed', 'canceled', 'skipped'].includes(String(state)))
          return { status: 400, body: { error: 'state does not have a valid value' } }
        if (!fits(name, 255) || !fits(description, 255) || Object.keys(others).length > 0) return refused('too long')
        if (latest(kept, 'name').find((status) => status.name === name)?.status === state)
          return { status: 400, body: { message: `Cannot transition status via :${state}` } }
        kept.statuses.push({ status: state, name, description, sha })
        return { status: 201, body: {} }
      },
    ],
    ['GET', at('/user'), () => ({ status: 200, body: { username: 'flux-bot' } })],
    [
      'GET',
      below('/merge_requests/5/notes'),
      (_, { query }) => {
        if (query.toString() !== 'sort=asc&order_by=created_at&per_page=100') return refused('query')
        const body = kept.comments.map(({ id, author, body }) => ({ id, body, author: { username: author }, system: false }))
        return { status: 200, body }
      },
    ],
    ['POST', below('/merge_requests/5/notes'), (_, request) => written(kept, 'flux-bot', request, { isNew: true })],
    ['PUT', below('/merge_requests/5/notes/(\\d+)'), ([id], request) => written(kept, 'flux-bot', request, { id: Number(id) })],
  ]
  return guarded(routed(origin, routes), ({ headers }) => headers['private-token'] === authorization)
}

/** The newest of each name, oldest first. */
function latest({ statuses }: Kept, key: string): Record<string, unknown>[] {
  return [...new Map(statuses.map((status) => [status[key], status])).values()]
}

/** https://docs.gitea.com/api (repository and issue). */
export function giteaHost(kept: Kept, { origin, repository, authorization, commit }: HostOptions): Host {
  const at = (path: string) => new RegExp(`^/api/v1${path}$`)
  const below = (path: string) => at(`/repos/${escaped(repository)}${path}`)
  const routes: Route[] = [
    [
      'GET',
      below('/commits/([^/]+)/statuses'),
      ([sha]) => (sha === commit ? { status: 200, body: kept.statuses.toReversed() } : undefined),
    ],
    [
      'POST',
      below('/statuses/([^/]+)'),
      ([sha], request) => {
        const { state, context, description, target_url } = bodyOf(request)
        if (sha !== commit) return undefined
        if (!['pending', 'success', 'error', 'failure', 'warning'].includes(String(state)) || target_url !== '')
          return refused('state')
        kept.statuses.push({ status: state, context, description })
        return { status: 201, body: {} }
      },
    ],
    ['GET', at('/user'), () => ({ status: 200, body: { login: 'flux-bot' } })],
    ...issueComments(kept, below, 'flux-bot'),
  ]
  return guarded(routed(origin, routes), ({ headers }) => headers.authorization === authorization)
}

/** https://developer.atlassian.com/cloud/bitbucket/rest/api-group-commit-statuses */
export function bitbucketHost(kept: Kept, { origin, repository, authorization, commit }: HostOptions): Host {
  const below = (path: string) => new RegExp(`^/2\\.0/repositories/${escaped(repository)}/commit/([^/]+)/statuses/build${path}$`)
  const routes: Route[] = [
    [
      'GET',
      below('/([^/]+)'),
      ([sha, key]) => {
        const status = sha === commit && kept.statuses.findLast((one) => one.key === key)
        return status ? { status: 200, body: status } : undefined
      },
    ],
    [
      'POST',
      below(''),
      ([sha], request) => {
        const { key, state, url, name, description } = bodyOf(request)
        if (sha !== commit) return undefined
        if (!fits(key, 40) || !['SUCCESSFUL', 'FAILED', 'INPROGRESS', 'STOPPED'].includes(String(state)))
          return { status: 400, body: { type: 'error', error: { message: 'Bad request' } } }
        if (!fits(url, 512) || !fits(name, 255))
          return { status: 400, body: { type: 'error', error: { message: 'url: required' } } }
        kept.statuses.push({ key, state, url, name, description })
        return { status: 201, body: {} }
      },
    ],
  ]
  return guarded(routed(origin, routes), ({ headers }) => headers.authorization === authorization)
}

/** https://developer.atlassian.com/server/bitbucket/rest (builds and deployments). `context` is the path of the server. */
export function bitbucketServerHost(kept: Kept, { context, ...options }: HostOptions & { readonly context: string }): Host {
  const { origin, repository, authorization, commit } = options
  const path = new RegExp(`^${escaped(context)}/rest/api/latest/${escaped(repository)}/commits/([^/]+)/builds$`)
  const missing = { status: 404, body: { errors: [{ message: 'Commit does not exist in repository' }] } }
  const routes: Route[] = [
    [
      'GET',
      path,
      (_, { query }) => {
        const build = kept.statuses.findLast(({ key }) => key === query.get('key'))
        return build ? { status: 200, body: build } : missing
      },
    ],
    [
      'POST',
      path,
      ([sha], request) => {
        const { key, state, url, name, description } = bodyOf(request)
        if (sha !== commit) return missing
        const isState = ['SUCCESSFUL', 'FAILED', 'INPROGRESS', 'CANCELLED', 'UNKNOWN'].includes(String(state))
        if (!isState || !fits(key, 255) || !fits(url, 450) || !fits(name, 255)) return { status: 400, body: { errors: [] } }
        kept.statuses.push({ key, state, url, name, description })
        return { status: 204 }
      },
    ],
  ]
  return guarded(
    routed(origin, routes),
    ({ headers }) =>
      headers.authorization === authorization &&
      headers['x-atlassian-token'] === 'no-check' &&
      headers['x-requested-with'] === 'XMLHttpRequest',
  )
}

/** https://learn.microsoft.com/en-us/rest/api/azure/devops/git/statuses. It answers unknown tokens with a page to sign in. */
export function azureDevOpsHost(kept: Kept, { origin, repository, authorization, commit }: HostOptions): Host {
  const path = new RegExp(`^/${escaped(repository)}/commits/([^/]+)/statuses$`)
  const missing = { status: 404, body: { message: `TF401175: The version descriptor could not be resolved` } }
  const keyOf = (status: Record<string, unknown>) => JSON.stringify(status.context)
  const routes: Route[] = [
    [
      'GET',
      path,
      ([sha], { query }) => {
        if (sha !== commit) return missing
        const all = kept.statuses
        const value = query.get('latestOnly') === 'true' ? [...new Map(all.map((one) => [keyOf(one), one] as const)).values()] : all
        return { status: 200, body: { count: value.length, value } }
      },
    ],
    [
      'POST',
      path,
      ([sha], request) => {
        const { state, description, context } = bodyOf(request)
        if (sha !== commit) return missing
        if (!['notSet', 'pending', 'succeeded', 'failed', 'error', 'notApplicable'].includes(String(state)))
          return { status: 400, body: { message: 'state' } }
        kept.statuses.push({ state, description, context })
        return { status: 201, body: {} }
      },
    ],
  ]
  const api = routed(origin, routes)
  return (request) => {
    if (request.headers.authorization !== authorization)
      return { status: 203, body: '<html>Azure DevOps Services | Sign In</html>' }
    const version = Number(request.query.get('api-version') ?? Number.NaN)
    return version >= 1 && version <= 7 ? api(request) : { status: 400, body: { message: 'version out of range' } }
  }
}
