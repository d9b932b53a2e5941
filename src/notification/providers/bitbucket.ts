/** Bitbucket Cloud: commit statuses. Source: https://developer.atlassian.com/cloud/bitbucket/rest/api-group-commit-statuses */
import { createHash } from 'node:crypto'
import type { ProviderDefinition } from '../notifier.ts'
import { commitStatusProvider } from './commit-status.ts'
import { GitApi, gitAddress, ownerAndRepository, records } from './git-host.ts'

export const bitbucket: ProviderDefinition = commitStatusProvider({ success: 'SUCCESSFUL', failure: 'FAILED' }, (target) => {
  const address = gitAddress(target.address)
  const [owner, name] = ownerAndRepository(address)
  if (!/^[^:]+:[^:]+$/.test(target.token)) throw new Error('invalid token format, expected to be <user>:<password>')
  const headers = { authorization: `Basic ${Buffer.from(target.token).toString('base64')}` }
  const base = address.host === 'https://bitbucket.org' ? 'https://api.bitbucket.org/2.0' : `${address.host}/2.0`
  const path = `/repositories/${encodeURIComponent(owner)}/${encodeURIComponent(name)}`
  return async (sender) => {
    const api = new GitApi(sender, base, headers)
    return {
      async has({ commit, id, state, description }) {
        const answer = await api.get(`${path}/commit/${commit}/statuses/build/${statusKey(id)}`, { accept: [404] })
        if (answer.status === 404) return false
        const present = records([answer.json()])[0]
        return present?.state === state && present.description === description
      },
      async set({ commit, id, state, name: checked, description }) {
        const body = { state, key: statusKey(id), name: checked, description, url: 'https://bitbucket.org' }
        await api.send('POST', `${path}/commit/${commit}/statuses/build`, body)
      },
    }
  }
})

/** A key has at most 40 characters. */
export function statusKey(id: string): string {
  return createHash('sha1').update(id).digest('hex')
}
