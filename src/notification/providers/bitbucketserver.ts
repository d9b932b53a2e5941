/**
 * Bitbucket Server and Data Center: build statuses.
 * Source: https://developer.atlassian.com/server/bitbucket/rest/v905/api-group-builds-and-deployments
 */
import type { ProviderDefinition, Target } from '../notifier.ts'
import { statusKey } from './bitbucket.ts'
import { type CommitStatus, commitStatusProvider } from './commit-status.ts'
import { GitApi, record } from './git-host.ts'

export const bitbucketServer: ProviderDefinition = commitStatusProvider({ success: 'SUCCESSFUL', failure: 'FAILED' }, (target) => {
  const url = cloneUrl(target.address)
  const base = commitsAddress(url)
  const headers = { authorization: authorization(target), 'x-atlassian-token': 'no-check', 'x-requested-with': 'XMLHttpRequest' }
  // Everyone who sees the commit sees it: no login in it.
  const link = `${url.origin}${url.pathname}`
  return async (sender) => {
    const api = new GitApi(sender, base, headers)
    return {
      async has(status) {
        const answer = await api.get(`/${status.commit}/builds?key=${statusKey(status.id)}`, { accept: [404] })
        if (answer.status !== 200) return false
        const present = record(answer.json())
        return (
          present.key === statusKey(status.id) &&
          present.state === status.state &&
          present.description === status.description &&
          present.name === shownName(status)
        )
      },
      async set(status) {
        const { commit, id, state, description } = status
        const body = { key: statusKey(id), state, url: link, description, name: shownName(status) }
        await api.send('POST', `/${commit}/builds`, body)
      },
    }
  }
})

/** The browser shows the name alone. */
function shownName({ name, description }: CommitStatus): string {
  return `${name} [${description}]`
}

function cloneUrl(address: string): URL {
  const url = URL.parse(address)
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
  throw new Error(
    'could not parse git address: it must be an http or https clone URL: set spec.address, or the key address of the Secret',
  )
}

/** `<context>/scm/<project>/<repository>.git` → the address of its commits. @throws Error for a path of any other form. */
function commitsAddress(url: URL): string {
  const path = url.pathname.replace(/\.git$/, '')
  const scm = path.lastIndexOf('/scm/')
  const [project, repository, ...rest] = path.slice(scm + '/scm/'.length).split('/')
  if (scm < 0 || !project || !repository || rest.length > 0)
    throw new Error('could not parse git address: a clone URL ends with /scm/<project>/<repository>.git')
  return `${url.origin}${path.slice(0, scm)}/rest/api/latest/projects/${project}/repos/${repository}/commits`
}

function authorization({ token, username, password }: Target): string {
  if (token) return `Bearer ${token}`
  if (username && password) return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  throw new Error('invalid credentials, expected to be one of username/password or API Token')
}
