/** The values of a release: from ConfigMaps and Secrets, then from the spec. Source: fluxcd/pkg/chartutil ChartValuesFromReferences. */
import type { HelmRelease, HelmReleaseSpec } from '../api/helmrelease.ts'
import type { KubeObject } from '../api/object.ts'
import type { Client } from '../kube/client.ts'
import { applySet, applySetString } from '../lib/chart/strvals.ts'
import { mergeMaps } from '../lib/chart/table.ts'
import { readYamlMap } from '../lib/chart/yaml.ts'
import { messageOf } from '../lib/errors.ts'
import { jsonToValue } from '../lib/gotemplate/gojson.ts'
import type { Dict } from '../lib/gotemplate/value.ts'
import type { Json } from '../lib/json.ts'

type Reference = NonNullable<HelmReleaseSpec['valuesFrom']>[number]

/** A reference cannot be followed. The message names it, and never shows what a Secret holds. */
export class ValuesError extends Error {
  override readonly name = 'ValuesError'
}

export interface ValuesOptions {
  readonly client: Client
  readonly signal: AbortSignal
}

/**
 * The composed values: `valuesFrom` in its order, `values` over it, entries with a targetPath at their place. Objects are read each time.
 * @throws ValuesError, ApiError when an object cannot be read.
 */
export async function composeValues(hr: HelmRelease, options: ValuesOptions): Promise<Dict> {
  const inline = inlineValues(hr.spec)
  const objects = new Map<string, KubeObject | undefined>()
  let values: Dict = new Map()
  for (const reference of hr.spec.valuesFrom ?? []) {
    const key = `${reference.kind}/${reference.name}`
    if (!objects.has(key)) objects.set(key, await find(hr, reference, options))
    const text = textOf(hr, reference, objects.get(key))
    if (text === undefined) continue
    values = reference.targetPath ? withPath(hr, mergeMaps(values, inline), reference, text) : withText(hr, values, reference, text)
  }
  return mergeMaps(values, inline)
}

function inlineValues({ values }: HelmReleaseSpec): Dict {
  const value = jsonToValue((values ?? null) as Json)
  return value instanceof Map ? value : new Map()
}

function find(hr: HelmRelease, { kind, name }: Reference, { client, signal }: ValuesOptions): Promise<KubeObject | undefined> {
  return client.find({ apiVersion: 'v1', kind, namespace: hr.metadata.namespace, name }, { signal })
}

/** The text under the reference's key; undefined when it is missing and may be. */
function textOf(hr: HelmRelease, reference: Reference, object: KubeObject | undefined): string | undefined {
  const { kind, name, optional } = reference
  if (!object && optional) return undefined
  if (!object) throw problem(hr, reference, `${kind.toLowerCase()}s "${name}" not found`)
  const data = object.data
  const key = keyOf(reference)
  const isThere = typeof data === 'object' && data !== null && Object.hasOwn(data, key)
  if (!isThere && optional) return undefined
  if (!isThere) throw problem(hr, reference, 'key not found')
  const text = String((data as Record<string, unknown>)[key])
  return kind === 'Secret' ? Buffer.from(text, 'base64').toString() : text
}

function withText(hr: HelmRelease, values: Dict, reference: Reference, text: string): Dict {
  try {
    return mergeMaps(values, readYamlMap(text))
  } catch (error) {
    const why = withoutSecret(reference, 'failed to read values data', error)
    throw problem(hr, reference, why.replace('map[string]interface {}', 'common.Values'), error)
  }
}

/** Changes `values` in place, and with it the tables that it shares with the inline values: that is how the path wins over those. */
function withPath(hr: HelmRelease, values: Dict, reference: Reference, text: string): Dict {
  const { targetPath = '', literal } = reference
  try {
    if (literal) applySetString(`${targetPath}=${escaped(text)}`, values)
    else if (isQuoted(text)) applySetString(`${targetPath}=${text.replace(/^['"]+|['"]+$/g, '')}`, values)
    else applySet(`${targetPath}=${text}`, values)
    return values
  } catch (error) {
    throw problem(hr, reference, withoutSecret(reference, 'failed to merge value', error), error)
  }
}

function isQuoted(text: string): boolean {
  return ["'", '"'].some((quote) => text.startsWith(quote) && text.endsWith(quote))
}

/** What `--set` takes for its syntax, as text. */
function escaped(text: string): string {
  return text.replaceAll(/[\\,[\]{}]/g, '\\$&')
}

/** Parsers quote what they do not understand. */
function withoutSecret({ kind }: Reference, what: string, error: unknown): string {
  if (kind !== 'Secret') return messageOf(error)
  return `${what}: the entry is not as it must be (what is wrong with it is not shown, because it is a secret)`
}

function problem({ metadata }: HelmRelease, reference: Reference, why: string, cause?: unknown): ValuesError {
  const { kind, name, optional } = reference
  const what = `could not resolve${optional ? ' optional' : ''} ${kind} chart values reference`
  return new ValuesError(`${what} '${metadata.namespace}/${name}' with key '${keyOf(reference)}': ${why}`, { cause })
}

function keyOf({ valuesKey }: Reference): string {
  return valuesKey || 'values.yaml'
}
