/** The variables of `spec.postBuild`: from ConfigMaps and Secrets, then from the spec itself. */
import type { Kustomization } from '../api/kustomization.ts'
import type { KubeObject } from '../api/object.ts'
import type { Client } from '../kube/client.ts'

/** What substitution needs; plain data for the worker. */
export interface Substitution {
  readonly variables: ReadonlyMap<string, string>
  /** Whether an unknown variable is an error. */
  readonly strict: boolean
  /** Values that come from Secrets: no message may show them. */
  readonly secrets: readonly string[]
}

/** Shorter values stay: without them every letter of a message would be masked. */
const shortestSecret = 4

/**
 * Reads what `substituteFrom` names, later ones over earlier ones, `substitute` over all; values lose their newlines. Secrets are read each
 * time and kept nowhere. Undefined when nothing is to be substituted.
 * @throws Error naming what is missing and not optional, ApiError when it cannot be read.
 */
export async function readSubstitution(
  ks: Kustomization,
  { client, strict, signal }: { client: Client; strict: boolean; signal: AbortSignal },
): Promise<Substitution | undefined> {
  const { postBuild } = ks.spec
  if (!postBuild) return undefined
  const variables = new Map<string, string>()
  const secrets: string[] = []
  for (const { kind, name, optional } of postBuild.substituteFrom ?? []) {
    const ref = { apiVersion: 'v1', kind, namespace: ks.metadata.namespace, name }
    const object = await client.find<KubeObject>(ref, { signal })
    if (!object && !optional) {
      throw new Error(
        `substitute from '${kind}/${name}' error: ${kind.toLowerCase()}s "${name}" not found in namespace ${ref.namespace}`,
      )
    }
    for (const [key, value] of dataOf(object)) {
      variables.set(key, oneLine(value))
      if (kind === 'Secret') secrets.push(oneLine(value))
    }
  }
  for (const [key, value] of Object.entries(postBuild.substitute ?? {})) variables.set(key, oneLine(value))
  const isDue = variables.size > 0 || postBuild.substituteStrategy === 'Always'
  return isDue ? { variables, strict, secrets } : undefined
}

/** A message without the values that Secrets gave to objects of any kind: the API server quotes what it refuses. */
export function withoutSecrets(message: string, substitution: Substitution | undefined): string {
  const values = substitution?.secrets.filter((value) => value.length >= shortestSecret) ?? []
  const forms = values.flatMap((value) => [value, JSON.stringify(value).slice(1, -1)])
  return forms.toSorted((a, b) => b.length - a.length).reduce((text, form) => text.replaceAll(form, '***'), message)
}

function dataOf(object: KubeObject | undefined): (readonly [string, string])[] {
  const data = object?.data
  if (typeof data !== 'object' || data === null) return []
  const decode = (value: string) => (object?.kind === 'Secret' ? Buffer.from(value, 'base64').toString() : value)
  return Object.entries(data).map(([key, value]) => [key, decode(String(value))])
}

function oneLine(value: string): string {
  return value.replaceAll('\n', '')
}
