/** GitLab: commit statuses, comments on merge requests. */
import type { ProviderDefinition, Sender, Target } from '../notifier.ts'
import { commentProvider } from './change-request.ts'
import { commitStatusProvider } from './commit-status.ts'
import { GitApi, gitAddress, record, records, tokenOf } from './git-host.ts'

/** Source: https://docs.gitlab.com/api/commits/#set-commit-pipeline-status */
export const gitlab: ProviderDefinition = commitStatusProvider({ success: 'success', failure: 'failed' }, (target) => {
  const open = project(target)
  return async (sender) => {
    const { api, path } = open(sender)
    return {
      async has({ commit, id, state, description }) {
        const list = records((await api.get(`${path}/repository/commits/${commit}/statuses?name=${encodeURIComponent(id)}`)).json())
        return list.some(
          (status) => status.sha === commit && status.name === id && status.status === state && status.description === description,
        )
      },
      async set({ commit, id, state, description }) {
        await api.send('POST', `${path}/statuses/${commit}`, { state, name: id, description })
      },
    }
  }
})

/** Source: https://docs.gitlab.com/api/notes/#merge-requests */
export const gitlabMergeRequestComment: ProviderDefinition = commentProvider('flux-mr-comment-key', (target) => {
  const open = project(target)
  return async (sender) => {
    const { api, path } = open(sender)
    return {
      login: async () => String(record((await api.get('/user')).json()).username ?? ''),
      async list(number) {
        const answer = await api.get(`${path}/merge_requests/${number}/notes?sort=asc&order_by=created_at&per_page=100`)
        return records(answer.json()).map(({ id, body, author }) => ({
          id: String(id),
          author: String(record(author).username ?? ''),
          body: String(body ?? ''),
        }))
      },
      async create(number, body) {
        await api.send('POST', `${path}/merge_requests/${number}/notes`, { body })
      },
      async update(number, id, body) {
        await api.send('PUT', `${path}/merge_requests/${number}/notes/${id}`, { body })
      },
    }
  }
})

function project(target: Target) {
  const { host, path } = gitAddress(target.address)
  const headers = { 'private-token': tokenOf(target, 'gitlab') }
  return (sender: Sender) => ({
    api: new GitApi(sender, `${host}/api/v4`, headers),
    path: `/projects/${encodeURIComponent(path)}`,
  })
}
