/** Azure DevOps: commit statuses. Source: https://learn.microsoft.com/en-us/rest/api/azure/devops/git/statuses */
import type { Notification, ProviderDefinition } from '../notifier.ts'
import { commitStatusProvider } from './commit-status.ts'
import { GitApi, gitAddress, records } from './git-host.ts'

const apiVersion = 'api-version=7.1'

export const azureDevOps: ProviderDefinition = commitStatusProvider({ success: 'succeeded', failure: 'error' }, (target) => {
  const { host, path } = gitAddress(target.address)
  const [organisation, project, , repository, ...rest] = path.split('/')
  if (!organisation || !project || !repository || rest.length > 0)
    throw new Error(`invalid repository id: '${path}' is not <organisation>/<project>/_git/<repository>`)
  if (!target.token)
    throw new Error(
      'the Secret must have a key token with a personal access token; managed identity is not implemented in this version',
    )
  const headers = { authorization: `Basic ${Buffer.from(`:${target.token}`).toString('base64')}` }
  const base = `${host}/${organisation}/${project}/_apis/git/repositories/${repository}`
  return async (sender) => {
    const api = new GitApi(sender, base, headers)
    return {
      async has({ commit, id, state, description, notification }) {
        const answer = records([(await api.get(`/commits/${commit}/statuses?${apiVersion}`)).json()])[0]
        const newest = records(answer?.value).find(({ context }) => {
          const found = records([context])[0]
          return found?.name === id && found.genre === genreOf(notification)
        })
        return newest?.state === state && newest.description === description
      },
      async set({ commit, id, state, description, notification }) {
        const body = { state, description, context: { name: id, genre: genreOf(notification) } }
        await api.send('POST', `/commits/${commit}/statuses?${apiVersion}`, body)
      },
    }
  }
})

function genreOf({ event: { metadata } }: Notification): string {
  return Object.hasOwn(metadata, 'summary') ? `fluxcd:${metadata.summary}` : 'fluxcd'
}
