/** Gitea and Forgejo: commit statuses, comments on pull requests. Source: https://docs.gitea.com/api (Gitea 1.24). */
import type { ProviderDefinition, Sender, Target } from '../notifier.ts'
import { commentProvider, issueComments, tokenLogin } from './change-request.ts'
import { commitStatusProvider } from './commit-status.ts'
import { GitApi, gitAddress, ownerAndName, records, tokenOf } from './git-host.ts'

export const gitea: ProviderDefinition = commitStatusProvider(
  { success: 'success', failure: 'failure', pending: 'pending' },
  (target) => {
    const open = repository(target)
    return async (sender) => {
      const { api, path } = open(sender)
      return {
        async has({ commit, id, state, description }) {
          const list = records((await api.get(`${path}/commits/${commit}/statuses?limit=50`)).json())
          const newest = list.find(({ context }) => context === id)
          return newest?.status === state && newest.description === description
        },
        async set({ commit, id, state, description }) {
          await api.send('POST', `${path}/statuses/${commit}`, { state, context: id, description, target_url: '' })
        },
      }
    }
  },
)

export const giteaPullRequestComment: ProviderDefinition = commentProvider('flux-pr-comment-key', (target) => {
  const open = repository(target)
  return async (sender) => {
    const { api, path } = open(sender)
    return issueComments(api, path, () => tokenLogin(api))
  }
})

function repository(target: Target) {
  const address = gitAddress(target.address)
  const path = `/repos/${ownerAndName(address)}`
  const headers = { authorization: `token ${tokenOf(target, 'gitea')}` }
  return (sender: Sender) => ({ api: new GitApi(sender, `${address.host}/api/v1`, headers), path })
}
