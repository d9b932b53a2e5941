/** GitHub, and GitHub Enterprise: commit statuses, repository dispatches, comments on pull requests. */
import type { Notify, ProviderDefinition, Sender, Target } from '../notifier.ts'
import { commentProvider, issueComments, tokenLogin } from './change-request.ts'
import { commitStatusProvider } from './commit-status.ts'
import { attempt, type GitAddress, GitApi, gitAddress, ownerAndName, records } from './git-host.ts'
import { appLogin, appToken, gitHubApp, gitHubHeaders } from './github-app.ts'

/** Source: https://docs.github.com/en/rest/commits/statuses */
export const github: ProviderDefinition = commitStatusProvider({ success: 'success', failure: 'failure' }, (target) => {
  const open = repository(target)
  return async (sender) => {
    const { api, path } = await open(sender)
    return {
      async has({ commit, id, state, description }) {
        const list = records((await api.get(`${path}/commits/${commit}/statuses?per_page=100`)).json())
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
      const body = { event_type: `${kind}/${name}.${namespace}`, client_payload: event }
      await attempt('could not send the repository dispatch', api.send('POST', `${path}/dispatches`, body))
    }
  },
}

/** Source: https://docs.github.com/en/rest/issues/comments */
export const githubPullRequestComment: ProviderDefinition = commentProvider('flux-pr-comment-key', (target) => {
  const open = repository(target)
  return async (sender) => {
    const { api, path, login } = await open(sender)
    return issueComments(api, path, login)
  }
})

interface Repository {
  readonly api: GitApi
  /** `/repos/<owner>/<name>`. */
  readonly path: string
  /** Who writes. */
  login(): Promise<string>
}

/** @throws Error when the address or the login is missing or wrong. */
function repository(target: Target): (sender: Sender) => Promise<Repository> {
  const address = gitAddress(target.address)
  const path = `/repos/${ownerAndName(address)}`
  const base = apiOf(address)
  const token = target.token || target.password
  if (token)
    return async (sender) => {
      const api = new GitApi(sender, base, gitHubHeaders(token))
      return { api, path, login: () => tokenLogin(api) }
    }
  const app = gitHubApp(target, base)
  return async (sender) => {
    const api = new GitApi(sender, base, gitHubHeaders(await appToken(app, sender)))
    return { api, path, login: () => appLogin(app, sender) }
  }
}

/** Servers of one's own have the API below a path, unless their name says that they are it. Source: go-github. */
function apiOf({ host }: GitAddress): string {
  const { hostname } = new URL(host)
  if (hostname === 'github.com') return 'https://api.github.com'
  return hostname.startsWith('api.') || hostname.includes('.api.') ? host : `${host}/api/v3`
}
