/** Gitea and Forgejo: commit statuses, comments on pull requests. Source: https://docs.gitea.com/api (Gitea 1.24). */
import type { ProviderDefinition, Sender, Target } from '../notifier.ts'
import { commentProvider } from './change-request.ts'
import { commitStatusProvider } from './commit-status.ts'
import { GitApi, gitAddress, ownerAndName, record, records, tokenOf } from './git-host.ts'

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
    return {
      login: async () => String(record((await api.get('/user')).json()).login ?? ''),
      async list(number) {
        const answer = await api.get(`${path}/issues/${number}/comments`)
        return records(answer.json()).map(({ id, body, user }) => ({
          id: String(id),
          author: String(record(user).login ?? ''),
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

function repository(target: Target) {
  const address = gitAddress(target.address)
  const path = `/repos/${ownerAndName(address)}`
  const headers = { authorization: `token ${tokenOf(target, 'gitea')}` }
  return (sender: Sender) => ({ api: new GitApi(sender, `${address.host}/api/v1`, headers), path })
}
