/** Events of other programs: Flux's JSON contract. */
import type { FluxEvent } from '../api/event.ts'
import { messageOf } from '../lib/errors.ts'
import type { Logger } from '../runtime/log.ts'
import type { Listening } from '../runtime/servers.ts'
import type { Dispatcher } from './dispatch.ts'
import { type Answer, type Call, serve } from './serve.ts'

/**
 * Listens for `POST /`. Answers: 202 accepted, 400 what is no event, 413 too long, 429 told already (or too busy).
 * @throws Error that names the address when it cannot be listened on.
 */
export function serveEvents(address: string, dispatcher: Dispatcher, log: Logger): Promise<Listening> {
  return serve(address, (call) => take(call, dispatcher, log), log)
}

function take(call: Call, dispatcher: Dispatcher, log: Logger): Answer {
  let event: FluxEvent
  try {
    event = parseEvent(call.body.toString('utf8'))
  } catch (error) {
    log.error({ error: messageOf(error) }, 'decoding the request body failed')
    return { status: 400 }
  }
  const acceptance = dispatcher.accept(event)
  if (acceptance === 'accepted') return { status: 202 }
  const about = { eventInvolvedObject: event.involvedObject }
  if (acceptance === 'duplicate') log.debug(about, 'Discarding event, rate limiting duplicate events')
  else log.error(about, 'discarding event, too many are waiting to be sent')
  return { status: 429 }
}

/** @throws Error that says which field is not as it should be. Source: Go's json.Unmarshal into an Event. */
export function parseEvent(text: string): FluxEvent {
  const value: unknown = JSON.parse(text)
  const fields = record(value, 'the event')
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
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Readonly<Record<string, unknown>>
  throw new Error(`${name} is no object`)
}

function word(fields: Readonly<Record<string, unknown>>, name: string): string {
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined
  if (value === undefined || value === null) return ''
  if (typeof value === 'string') return value
  throw new Error(`${name} is no string`)
}

function timestamp(text: string): string {
  if (text !== '' && Number.isNaN(Date.parse(text))) throw new Error('timestamp is no RFC 3339 time')
  return text
}
