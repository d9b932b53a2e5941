/** Why the pods of a hook failed: for people, who find neither pod nor log when the hook is deleted. */
import type { KubeObject } from '../api/object.ts'
import { displayName, refOf } from '../api/object.ts'
import { messageOf } from '../lib/errors.ts'
import { isRecord } from '../lib/json.ts'
import { redactText } from '../runtime/log.ts'
import type { ActionContext } from './action.ts'
import type { Item } from './write.ts'

const mostLines = 10
const longestLine = 500
const longestLogMs = 5_000

interface Container {
  readonly name: string
  readonly exitCode: number
  readonly reason: string
}

/** `Pod/ns/name container c: Error (exit code 1): <last lines of the log>`; empty where no pod failed, or none is to be seen. */
export async function failedPods(items: readonly Item[], context: ActionContext): Promise<string> {
  try {
    const pods = (await Promise.all(items.map((item) => podsOf(item, context)))).flat()
    const texts = await Promise.all(pods.map((pod) => failureOf(pod, context)))
    return texts.flatMap((text) => text ?? []).join('; ')
  } catch (error) {
    context.log.debug({ error: messageOf(error) }, 'the pods of a failed hook could not be read')
    return ''
  }
}

async function podsOf({ ref }: Item, { client }: ActionContext): Promise<readonly KubeObject[]> {
  if (ref.namespace === undefined) return []
  const where = { namespace: ref.namespace }
  const pods = { apiVersion: 'v1', kind: 'Pod' }
  if (ref.kind === 'Pod') return (await client.list(pods, { ...where, fieldSelector: `metadata.name=${ref.name}` })).items
  return ref.kind === 'Job' ? (await client.list(pods, { ...where, labelSelector: `job-name=${ref.name}` })).items : []
}

async function failureOf(pod: KubeObject, context: ActionContext): Promise<string | undefined> {
  const container = containersOf(pod).find(({ exitCode }) => exitCode !== 0)
  if (!container) return undefined
  const { name, exitCode, reason } = container
  const log = await lastLines(pod, name, context)
  return `${displayName(refOf(pod))} container ${name}: ${reason} (exit code ${exitCode})${log === '' ? '' : `: ${log}`}`
}

function containersOf({ status }: KubeObject): Container[] {
  if (!isRecord(status)) return []
  return [status.initContainerStatuses, status.containerStatuses]
    .flatMap((statuses) => (Array.isArray(statuses) ? statuses : []))
    .flatMap((container: unknown) => {
      if (!isRecord(container) || !isRecord(container.state) || !isRecord(container.state.terminated)) return []
      const { exitCode, reason } = container.state.terminated
      return [{ name: String(container.name), exitCode: Number(exitCode), reason: String(reason ?? 'Error') }]
    })
}

/** `DB_PASSWORD=x`, `"token": "x"`: programs print their settings. */
const settings = /([\w-]*(?:password|passwd|secret|token|api[_-]?key|credential)[\w-]*["']?\s*[=:]\s*)("[^"]*"|'[^']*'|\S+)/gi

function withoutSecrets(line: string): string {
  return redactText(line).replace(settings, '$1[redacted]')
}

/** Without a log there is still the exit code. */
async function lastLines(pod: KubeObject, container: string, { client, log }: ActionContext): Promise<string> {
  const { namespace = '', name } = pod.metadata
  const query = new URLSearchParams({ container, tailLines: String(mostLines), limitBytes: '65536' })
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}/log?${query}`
  const lines: string[] = []
  try {
    const signal = AbortSignal.timeout(longestLogMs)
    for await (const line of client.transport.stream({ method: 'GET', path, verb: 'get', signal })) {
      lines.push(withoutSecrets(line.slice(0, longestLine)))
      if (lines.length > mostLines) lines.shift()
    }
  } catch (error) {
    log.debug({ pod: name, error: messageOf(error) }, 'the log of a failed hook could not be read')
  }
  return lines.filter((line) => line.trim() !== '').join('\n')
}
