/** CDEvents 0.4: who may call knows the secret path; the event must be one. Source: cdevents.dev/docs, github.com/cdevents/sdk-go. */
import { fieldOf } from '../json.ts'
import { accepted, assertEvent, type Check, decoded } from './check.ts'

/** What may happen to what: `<subject>.<predicate>`. */
const known = new Map<string, readonly string[]>([
  ['artifact', ['deleted', 'downloaded', 'packaged', 'published', 'signed']],
  ['branch', ['created', 'deleted']],
  ['build', ['finished', 'queued', 'started']],
  ['change', ['abandoned', 'created', 'merged', 'reviewed', 'updated']],
  ['environment', ['created', 'deleted', 'modified']],
  ['incident', ['detected', 'reported', 'resolved']],
  ['pipelinerun', ['finished', 'queued', 'started']],
  ['repository', ['created', 'deleted', 'modified']],
  ['service', ['deployed', 'published', 'removed', 'rolledback', 'upgraded']],
  ['taskrun', ['finished', 'started']],
  ['testcaserun', ['finished', 'queued', 'skipped', 'started']],
  ['testoutput', ['published']],
  ['testsuiterun', ['finished', 'queued', 'started']],
  ['ticket', ['closed', 'created', 'updated']],
])

const version = /^0\.\d+\.\d+(-[\w.-]+)?$/
const standardType = /^dev\.cdevents\.([a-z]+)\.([a-z]+)\.(\S+)$/
/** Of a tool's own: `dev.cdeventsx.<tool>-<subject>.<predicate>.<version>`. */
const customType = /^dev\.cdeventsx\.[a-z][a-z0-9]*-[a-z]+\.[a-z]+\.\d+\.\d+\.\d+\S*$/

const shape = {
  context: { version: 'string', id: 'string', source: 'string', type: 'string', timestamp: 'string' },
  subject: { id: 'string', source: 'string' },
} as const

export const cdevents: Check = ({ call, receiver }) => {
  assertCdEvent(decoded(call.body, shape, 'CDEvents'))
  const event = call.headers.get('ce-type') ?? ''
  assertEvent(receiver, event)
  return accepted(call, { about: { event } })
}

function assertCdEvent(event: unknown): void {
  const context = fieldOf(event, 'context')
  const text = (name: string) => String(fieldOf(context, name) ?? '')
  for (const name of ['version', 'id', 'source', 'type', 'timestamp'])
    if (text(name) === '') throw new Error(`unable to validate CDEvent: context.${name} is missing`)
  if (Number.isNaN(Date.parse(text('timestamp')))) throw new Error('unable to validate CDEvent: context.timestamp is no time')
  if (!String(fieldOf(fieldOf(event, 'subject'), 'id') ?? '')) throw new Error('unable to validate CDEvent: subject.id is missing')
  if (!isKnownType(text('type'))) throw new Error('unable to validate CDEvent: context.type is unknown')
}

function isKnownType(type: string): boolean {
  if (customType.test(type)) return true
  const [, subject = '', predicate = '', number = ''] = standardType.exec(type) ?? []
  return version.test(number) && (known.get(subject)?.includes(predicate) ?? false)
}
