/** Events of other programs: Flux's JSON contract. */
import type { FluxEvent } from '../api/event.ts'
import { messageOf } from '../lib/errors.ts'
import type { Logger } from '../runtime/log.ts'
import type { Acceptance } from './dispatch.ts'
import { fieldOf, fieldsOf, parseJson } from './json.ts'
import type { Answer, Call, Handler } from './serve.ts'

const statuses: Readonly<Record<Acceptance, number>> = { accepted: 202, duplicate: 429, busy: 429 }

/** Handles `POST /`. Answers: 202 accepted, 400 what is no event, 429 told already (or too busy). */
export function eventIntake(accept: (event: FluxEvent) => Acceptance, log: Logger): Handler {
  return (call) => take(call, accept, log)
}

function take({ body }: Call, accept: (event: FluxEvent) => Acceptance, log: Logger): Answer {
  let event: FluxEvent
  try {
    event = parseEvent(body.toString('utf8'))
  } catch (error) {
    log.error({ error: messageOf(error) }, 'decoding the request body failed')
    return { status: 400 }
  }
  return { status: statuses[accept(event)] }
}

/** @throws Error that says which field is not as it should be. Source: Go's json.Unmarshal into an Event. */
export function parseEvent(text: string): FluxEvent {
  const fields = record(parseJson(text), 'the event')
  const object = record(fields.involvedObject ?? {}, 'involvedObject')
  const metadata = record(fields.metadata ?? {}, 'metadata')
  return {
    involvedObject: {
      kind: word(object, 'kind'),
      namespace: word(object, 'namespace'),
      name: word(object, 'name'),
      uid: word(object, 'uid'),
      apiVersion: word(object, 'apiVersion'),
      resourceVersion: word(object, 'resourceVersion'),
    },
    severity: word(fields, 'severity') === 'error' ? 'error' : 'info',
    timestamp: timestamp(word(fields, 'timestamp')),
    message: word(fields, 'message'),
    reason: word(fields, 'reason'),
    metadata: Object.fromEntries(Object.keys(metadata).map((key) => [key, word(metadata, key)])),
    reportingController: word(fields, 'reportingController'),
    reportingInstance: word(fields, 'reportingInstance'),
  }
}

function record(value: unknown, name: string): Readonly<Record<string, unknown>> {
  const fields = fieldsOf(value)
  if (fields) return fields
  throw new Error(`${name} is no object`)
}

function word(fields: Readonly<Record<string, unknown>>, name: string): string {
  const value = fieldOf(fields, name)
  if (value === undefined || value === null) return ''
  if (typeof value === 'string') return value
  throw new Error(`${name} is no string`)
}

function timestamp(text: string): string {
  if (text !== '' && Number.isNaN(Date.parse(text))) throw new Error('timestamp is no RFC 3339 time')
  return text
}
