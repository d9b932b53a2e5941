/** GitHub, and GitHub Enterprise: commit statuses, repository dispatches, comments on pull requests. */
import type { Notify, ProviderDefinition, Sender, Target } from '../notifier.ts'
import { commentProvider } from './change-request.ts'
import { commitStatusProvider } from './commit-status.ts'
import { type GitAddress, GitApi, gitAddress, ownerAndRepository, records } from './git-host.ts'
import { appToken, hasApp } from './github-app.ts'

/** Source: https://docs.github.com/en/rest/commits/statuses */
export const github: ProviderDefinition = commitStatusProvider({ success: 'success', failure: 'failure' }, (target) => {
  const open = repository(target)
  return async (sender) => {
    const { api, path } = await open(sender)
    return {
      async has({ commit, id, state, description }) {
        const list = records((await api.get(`${path}/commits/${commit}/statuses?per_page=50`)).json())
        const newest = list.find(({ context }) => context === id)
        return newest?.state === state && newest.description === description
      },
      async set({ commit, id, state, description }) {
        await api.send('POST', `${path}/statuses/${commit}`, { state, context: id, description })
      },
    }
  }
})

/** Source: https://docs.github.com/en/rest/repos/repos#create-a-repository-dispatch-event */
export const githubDispatch: ProviderDefinition = {
  purpose: 'chat',
  connect(target): Notify {
    const open = repository(target)
    return async ({ event }, sender) => {
      const { kind, name, namespace } = event.involvedObject
      const { api, path } = await open(sender)
      await api.send('POST', `${path}/dispatches`, { event_type: `${kind}/${name}.${namespace}`, client_payload: event })
    }
  },
}

/** Source: https://docs.github.com/en/rest/issues/comments */
export const githubPullRequestComment: ProviderDefinition = commentProvider('flux-pr-comment-key', (target) => {
  const open = repository(target)
  return async (sender) => {
    const { api, path, appSlug } = await open(sender)
    return {
      async login() {
        if (appSlug !== undefined) return `${appSlug}[bot]`
        return String(records([(await api.get('/user')).json()])[0]?.login ?? '')
      },
      async list(number) {
        const answer = await api.get(`${path}/issues/${number}/comments?per_page=100`)
        return records(answer.json()).map(({ id, body, user }) => ({
          id: String(id),
          author: String(records([user])[0]?.login ?? ''),
          body: String(body ?? ''),
        }))
      },
      async create(number, body) {
        await api.send('POST', `${path}/issues/${number}/comments`, { body })
      },
      async update(_number, id, body) {
        await api.send('PATCH', `${path}/issues/comments/${id}`, { body })
      },
    }
  }
})

interface Repository {
  readonly api: GitApi
  /** `/repos/<owner>/<name>`. */
  readonly path: string
  /** Set when an app is logged in. */
  readonly appSlug?: string
}

/** @throws Error when the address or the login is missing or wrong. */
function repository(target: Target): (sender: Sender) => Promise<Repository> {
  const address = gitAddress(target.address)
  const [owner, name] = ownerAndRepository(address)
  const path = `/repos/${encodeURIComponent(owner)}/${encodeURIComponent(name)}`
  const base = apiOf(address)
  const token = target.token || target.password
  if (!token && !hasApp(target)) throw new Error('github token or github app details must be specified in the Secret')
  return async (sender) => {
    if (token) return { api: new GitApi(sender, base, headers(token)), path }
    const app = await appToken(target, { base, owner }, sender)
    return { api: new GitApi(sender, base, headers(app.token)), path, appSlug: app.slug }
  }
}

function apiOf({ host }: GitAddress): string {
  return host === 'https://github.com' ? 'https://api.github.com' : `${host}/api/v3`
}

function headers(token: string): Readonly<Record<string, string>> {
  return { authorization: `Bearer ${token}`, accept: 'application/vnd.github+json', 'user-agent': 'sluice' }
}
