/** What to say when the API server refuses an object. */
import { displayName, type KubeObject, type ObjectMeta, type ObjectRef } from '../api/object.ts'
import { messageOf } from '../lib/errors.ts'
import { ApiError } from './transport.ts'

/**
 * `<Kind>/<ns>/<name> dry-run failed (<Reason>): <message>`, with the values of a Secret masked.
 * Source: github.com/fluxcd/pkg/ssa/errors DryRunErr.
 */
export function refusalText(ref: ObjectRef, error: unknown, desired: KubeObject | undefined): string {
  const message = masked(messageOf(error), desired)
  if (!(error instanceof ApiError)) return `${displayName(ref)} dry-run failed: ${message}`
  if (error.reason === 'NotFound') return `${displayName(ref)} not found: ${message}`
  // A kind that discovery does not know is no answer of the API server: it has no reason.
  const reason = error.reason === 'NoKindMatch' || error.reason === 'Unknown' ? '' : ` (${error.reason})`
  return `${displayName(ref)} dry-run failed${reason}: ${message}`
}

/** Whether an error may mean that a field cannot be changed in place. Source: github.com/fluxcd/pkg/ssa/errors IsImmutableError. */
export function isImmutableError(error: ApiError): boolean {
  return error.reason === 'Invalid' || error.status === 422 || saysImmutable(error.message)
}

function saysImmutable(message: string): boolean {
  return /is\simmutable|immutable\sfield/.test(message)
}

/** Texts of rules of built-in kinds that do not use the word. */
const cannotChange = /immutable|may not be (changed|updated)|cannot be changed|updates to .* are forbidden|may not change once set/i

/** How to get an immutable change through, where the error looks like one; else nothing. */
export function wayOut(error: ApiError, group: string): string {
  const fields = error.causes.filter((cause) => cannotChange.test(cause.message ?? '')).map((cause) => cause.field)
  if (fields.length === 0 && !cannotChange.test(error.message)) return ''
  const named = [...new Set(fields.filter((field) => field && field !== '<nil>'))].join(', ')
  return `; ${named || 'the field'} cannot be changed in place: to have the object deleted and created again, annotate it with ${group}/force: enabled or set spec.force: true`
}

/** Whether the API server stumbled over an entry of managedFields that speaks of another version of the object. */
export function isAboutOtherVersion(error: unknown): boolean {
  return error instanceof ApiError && /field not declared in schema|convert CR to an invalid group\/version/.test(error.message)
}

/** Whose entries those are, and what mends them. */
export function migrationHint({ managedFields = [] }: ObjectMeta, apiVersion: string): string {
  const others = managedFields.filter((entry) => entry.apiVersion !== apiVersion)
  if (others.length === 0) return ''
  const named = others.map(({ manager, apiVersion: version }) => `${manager} (${version})`)
  return `; managedFields of ${[...new Set(named)].join(', ')} are not of ${apiVersion}: the feature gate MigrateAPIVersion=true rewrites them`
}

/** Values shorter than this are masked only where they stand alone, or every letter of a message would be masked. */
const shortValue = 4

/** The message without the values of the Secret, neither plain nor base64; unchanged for other kinds. */
export function masked(message: string, desired: KubeObject | undefined): string {
  if (desired?.apiVersion !== 'v1' || desired.kind.toLowerCase() !== 'secret') return message
  const values = [...valuesOf(desired.data).flatMap((value) => [value, decoded(value)]), ...valuesOf(desired.stringData)]
  const parts = values.flatMap((value) => [
    value,
    JSON.stringify(value).slice(1, -1),
    ...value.split('\n').map((line) => line.trim()),
  ])
  const longestFirst = [...new Set(parts)].filter(Boolean).sort((a, b) => b.length - a.length)
  return longestFirst.reduce(maskValue, message)
}

function maskValue(message: string, value: string): string {
  if (value.length >= shortValue) return message.replaceAll(value, '***')
  const escaped = value.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  return message.replace(new RegExp(`(?<![A-Za-z0-9])${escaped}(?![A-Za-z0-9])`, 'g'), '***')
}

function valuesOf(data: unknown): string[] {
  if (typeof data !== 'object' || data === null) return []
  return Object.values(data).map((value) => (typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)))
}

function decoded(base64: string): string {
  return Buffer.from(base64, 'base64').toString()
}
