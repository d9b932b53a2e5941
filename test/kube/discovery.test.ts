import { expect, it } from 'vitest'
import { Discovery } from '../../src/kube/discovery.ts'
import { Transport } from '../../src/kube/transport.ts'
import { answerJson, answerStatus, startFaultProxy } from '../tools/fault-proxy.ts'

const widget = { apiVersion: 'a.example.com/v1', kind: 'Widget' }
const answer = { resources: [{ name: 'widgets', kind: 'Widget', namespaced: true }] }

it('remembers a kind that came while another group changed, and forgets that it was missing before', async () => {
  await using proxy = await startFaultProxy()
  await using transport = new Transport(proxy.config)
  const discovery = new Discovery(transport)
  discovery.forget('a.example.com')
  proxy.fault = (_, response) => {
    const isThere = proxy.seen.length > 1
    if (!isThere) return answerStatus(response, { code: 404, reason: 'NotFound' })
    discovery.forget('b.example.com') // while the answer is under way
    return answerJson(response, answer)
  }
  expect(await discovery.mapping(widget)).toMatchObject({ resource: 'widgets' })
  const asked = proxy.seen.length
  expect(await discovery.mapping(widget)).toMatchObject({ resource: 'widgets' })
  expect(proxy.seen).toHaveLength(asked)
})

it('does not remember an answer that was under way when the group changed', async () => {
  await using proxy = await startFaultProxy()
  await using transport = new Transport(proxy.config)
  const discovery = new Discovery(transport)
  proxy.fault = (_, response) => {
    if (proxy.seen.length === 1) discovery.forget('a.example.com')
    return answerJson(response, answer)
  }
  await discovery.mapping(widget)
  await discovery.mapping(widget)
  expect(proxy.seen).toHaveLength(2)
})
