/** Which Alerts an event is for. */
import { RE2JS } from 're2js'
import type { Alert, EventSource } from '../api/alert.ts'
import type { FluxEvent } from '../api/event.ts'

/** What deciding needs of the world. */
export interface AlertEnvironment {
  /** The labels of the object that the event is about. @throws Error when it cannot be read. */
  labelsOf(event: FluxEvent): Promise<Readonly<Record<string, string>>>
  /** Tells the people who wrote the Alert what is wrong with it. */
  warn(alert: Alert, reason: 'SourceFetchFailed' | 'InvalidConfig', message: string): void
}

/** Whether the Alert wants the event: by its sources first, then by severity and message. Source: filterAlertsForEvent. */
export async function isWanted(event: FluxEvent, alert: Alert, environment: AlertEnvironment): Promise<boolean> {
  if (alert.spec.suspend) return false
  if (!(await hasSource(event, alert, environment))) return false
  return isIncluded(event, alert, environment) && !isExcluded(event, alert, environment)
}

async function hasSource(event: FluxEvent, alert: Alert, environment: AlertEnvironment): Promise<boolean> {
  const severity = alert.spec.eventSeverity ?? 'info'
  if (severity !== 'info' && event.severity !== severity) return false
  for (const source of alert.spec.eventSources) {
    if (!isNamed(event, source, alert.metadata.namespace)) continue
    if (await hasLabels(event, source, alert, environment)) return true
  }
  return false
}

function isNamed({ involvedObject }: FluxEvent, { kind, name, namespace }: EventSource, ownNamespace: string): boolean {
  if (involvedObject.kind !== kind || involvedObject.namespace !== (namespace || ownNamespace)) return false
  return name === '*' || name === involvedObject.name
}

async function hasLabels(event: FluxEvent, { matchLabels }: EventSource, alert: Alert, environment: AlertEnvironment) {
  if (matchLabels === undefined) return true
  try {
    const labels = await environment.labelsOf(event)
    return Object.entries(matchLabels).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value)
  } catch {
    environment.warn(alert, 'SourceFetchFailed', `error getting source object ${involvedName(event)}`)
    return false
  }
}

/** `Kind/namespace/name`. */
export function involvedName({ involvedObject: { kind, namespace, name } }: FluxEvent): string {
  return `${kind}/${namespace}/${name}`
}

function isIncluded({ message }: FluxEvent, alert: Alert, environment: AlertEnvironment): boolean {
  const list = alert.spec.inclusionList ?? []
  return list.length === 0 || list.some((pattern) => matches(message, pattern, { alert, environment, list: 'inclusion' }))
}

function isExcluded({ message }: FluxEvent, alert: Alert, environment: AlertEnvironment): boolean {
  const list = alert.spec.exclusionList ?? []
  return list.some((pattern) => matches(message, pattern, { alert, environment, list: 'exclusion' }))
}

interface Matching {
  readonly alert: Alert
  readonly environment: AlertEnvironment
  readonly list: 'inclusion' | 'exclusion'
}

/** Each event asks the same patterns again. A pattern that does not compile is remembered as null. */
const compiled = new Map<string, RE2JS | null>()
const mostCompiled = 1_000

function matches(message: string, pattern: string, { alert, environment, list }: Matching): boolean {
  const expression = compile(pattern)
  if (expression) return expression.matcher(message).find()
  environment.warn(alert, 'InvalidConfig', `failed to compile ${list} regex: ${pattern}`)
  return false
}

function compile(pattern: string): RE2JS | null {
  const known = compiled.get(pattern)
  if (known !== undefined) return known
  if (compiled.size >= mostCompiled) compiled.clear()
  const expression = attempt(() => RE2JS.compile(pattern))
  compiled.set(pattern, expression)
  return expression
}

function attempt<T>(make: () => T): T | null {
  try {
    return make()
  } catch {
    return null
  }
}
