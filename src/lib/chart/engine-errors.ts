/** How Helm words what a template engine says was wrong. Source: helm pkg/engine/engine.go. */

import { BuildError, messageOf } from '../errors.ts'
import { trimSpace } from './space.ts'

/** What rendering finds wrong, when charts, values and dependencies were right. The message is Helm's. */
export class RenderError extends BuildError {}

const warnStart = 'HELM_ERR_START'
const warnEnd = 'HELM_ERR_END'
const warning = /HELM_ERR_START(.*)HELM_ERR_END/s

/** The message of `fail` and `required`: marked, so that nothing but it is shown to the user. */
export function warn(message: string): string {
  return `${warnStart}${message}${warnEnd}`
}

/** The message for a template that does not parse: of a chain of reasons only the last, and where it was. */
export function parseErrorMessage(file: string, error: unknown): string {
  const message = messageOf(error)
  const parts = message.split(': ')
  if (parts.length === 1) return `parse error in (${file}): ${message}`
  return `parse error at (${parts[1]}): ${parts.at(-1)}`
}

/**
 * The message for an execution that failed: what the author of the chart says with `fail` or `required`; else a trace with a step for each
 * template on the way; else the message as it is, when a step of it has another form.
 */
export function executionErrorMessage(file: string, error: Error): string {
  const message = error.message
  // An error that is not of a place in a template is shown as it is.
  if (message.startsWith('template: no template ')) return message
  const [, location, ...rest] = message.split(': ')
  if (rest.length === 0) return `execution error in (${file}): ${message}`
  const said = warning.exec(rest.join(': '))
  if (said) return `execution error at (${location}): ${said[1]}`
  return traceOf(error) ?? message
}

/** The steps from the outermost template to the innermost; undefined when one of them cannot be read. */
function traceOf(error: Error): string | undefined {
  const steps: string[] = []
  for (let current: unknown = error; current instanceof Error; current = current.cause) {
    const step = stepOf(current.message)
    if (step === undefined) return undefined
    if (steps.at(-1) !== step) steps.push(step)
  }
  return trimSpace(steps.join(''))
}

const prefix = 'template: '
const executing = ': executing '

/** One step of a trace: place, what was executed, message, each on a line of its own. */
function stepOf(message: string): string | undefined {
  if (!message.startsWith(prefix)) return undefined
  const rest = message.slice(prefix.length)
  if (rest.startsWith('no template ')) return `${message}\n`
  return executingStep(rest) ?? simpleStep(rest)
}

function executingStep(rest: string): string | undefined {
  const at = rest.indexOf(executing)
  if (at < 0) return undefined
  const [place, after] = [rest.slice(0, at), rest.slice(at + executing.length)]
  const endOfName = after.startsWith('"') ? after.indexOf('"', 1) : -1
  if (endOfName < 0 || !after.startsWith(' at <', endOfName + 1)) return undefined
  const context = after.slice(endOfName + 1 + ' at <'.length)
  const endOfContext = context.indexOf('>: ')
  if (endOfContext < 0) return undefined
  const what = `executing ${after.slice(0, endOfName + 1)} at <${context.slice(0, endOfContext)}>:`
  return step(place, what, context.slice(endOfContext + '>: '.length))
}

function simpleStep(rest: string): string | undefined {
  const at = rest.lastIndexOf(': ')
  return at < 0 ? undefined : step(rest.slice(0, at), '', rest.slice(at + 2))
}

/** The message goes as far as the next step, which has a place of its own. */
function step(place: string, what: string, message: string): string {
  const [own = ''] = message.split(' template:', 1)
  return (place && `${place}\n  `) + (what && `${what}\n    `) + (own && `${own}\n`)
}
