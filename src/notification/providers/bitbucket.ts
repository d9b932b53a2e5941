/** Bitbucket Cloud: commit statuses. Source: https://developer.atlassian.com/cloud/bitbucket/rest/api-group-commit-statuses */
import { createHash } from 'node:crypto'
import type { ProviderDefinition } from '../notifier.ts'
import { commitStatusProvider } from './commit-status.ts'
import { GitApi, gitAddress, ownerAndName, record } from './git-host.ts'

/** There is but one: another host in the address is an alias of its SSH. */
const base = 'https://api.bitbucket.org/2.0'

export const bitbucket: ProviderDefinition = commitStatusProvider({ success: 'SUCCESSFUL', failure: 'FAILED' }, (target) => {
  const path = `/repositories/${ownerAndName(gitAddress(target.address))}`
  if (target.token === '') throw new Error('bitbucket token cannot be empty: the Secret must have a key token')
  if (!/^[^:]+:[^:]+$/.test(target.token)) throw new Error('invalid token format, expected to be <user>:<password>')
  const headers = { authorization: `Basic ${Buffer.from(target.token).toString('base64')}` }
  return async (sender) => {
    const api = new GitApi(sender, base, headers)
    return {
      async has({ commit, id, state, description }) {
        const answer = await api.get(`${path}/commit/${commit}/statuses/build/${statusKey(id)}`, { accept: [404] })
        if (answer.status === 404) return false
        const present = record(answer.json())
        return present.state === state && present.description === description
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
