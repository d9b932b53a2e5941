/** Azure DevOps: commit statuses. Source: https://learn.microsoft.com/en-us/rest/api/azure/devops/git/statuses */
import type { Notification, ProviderDefinition } from '../notifier.ts'
import { commitStatusProvider } from './commit-status.ts'
import { type GitAddress, GitApi, gitAddress, record, records } from './git-host.ts'

/** As old as it may be: servers of one's own refuse versions newer than they are, newer ones know it. */
const apiVersion = 'api-version=5.0'

export const azureDevOps: ProviderDefinition = commitStatusProvider({ success: 'succeeded', failure: 'error' }, (target) => {
  const base = repositoryAddress(gitAddress(target.address))
  if (!target.token)
    throw new Error(
      'the Secret must have a key token with a personal access token; managed identity is not implemented in this version',
    )
  const headers = { authorization: `Basic ${Buffer.from(`:${target.token}`).toString('base64')}` }
  return async (sender) => {
    const api = new GitApi(sender, base, headers)
    return {
      async has({ commit, id, state, description, notification }) {
        const answer = await api.get(`/commits/${commit}/statuses?latestOnly=true&${apiVersion}`)
        const newest = records(record(answer.json()).value).find(({ context }) => {
          const { name, genre } = record(context)
          return name === id && genre === genreOf(notification)
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

/** `<organisation>/<project>/_git/<repository>`, or `v3/<organisation>/<project>/<repository>` of SSH. @throws Error for others. */
function repositoryAddress({ host, path }: GitAddress): string {
  const parts = path.split('/')
  const isSsh = host === 'https://ssh.dev.azure.com' && parts[0] === 'v3'
  const [organisation, project, repository] = isSsh ? parts.slice(1) : parts.toSpliced(2, 1)
  if (!organisation || !project || !repository || parts.length !== 4)
    throw new Error(`invalid repository id: '${path}' is not <organisation>/<project>/_git/<repository>`)
  const [owner, within, name] = [organisation, project, repository].map(encodeURIComponent)
  return `${isSsh ? 'https://dev.azure.com' : host}/${owner}/${within}/_apis/git/repositories/${name}`
}

function genreOf({ event: { metadata } }: Notification): string {
  return Object.hasOwn(metadata, 'summary') ? `fluxcd:${metadata.summary}` : 'fluxcd'
}
