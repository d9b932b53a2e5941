/** A Provider's settings: what its spec and its Secrets say about how to reach the service. */
import querystring from 'node:querystring'
import type { Alert } from '../api/alert.ts'
import type { FluxEvent } from '../api/event.ts'
import type { Provider } from '../api/provider.ts'
import type { Client } from '../kube/client.ts'
import { compileText } from '../lib/cel/index.ts'
import type { ConnectionOptions } from '../lib/dispatcher.ts'
import { parseDuration } from '../lib/duration.ts'
import { messageOf } from '../lib/errors.ts'
import { loadFirst } from '../lib/yaml/index.ts'
import { environmentProxies } from '../runtime/proxies.ts'
import { proxyOf, readSecret, type SecretData, tlsOf, valuesOf } from '../runtime/secrets.ts'
import type { ProviderDefinition, Target } from './notifier.ts'

export interface ProviderSettings {
  readonly target: Target
  readonly connection: ConnectionOptions
  readonly timeoutMs: number
  /** What must not be shown, longest first. */
  readonly secrets: readonly string[]
}

const longestAddress = 2048
const defaultTimeout = '15s'

/** @throws Error that names the Secret and key, and what is wrong with it. Source: createNotifier. */
export async function readSettings(
  provider: Provider,
  {
    definition,
    client,
    signal,
  }: { readonly definition: ProviderDefinition; readonly client: Client; readonly signal: AbortSignal },
): Promise<ProviderSettings> {
  const { spec, metadata } = provider
  const read = (ref: { readonly name: string } | undefined) =>
    ref && readSecret(client, { namespace: metadata.namespace, name: ref.name }, signal)
  const [data, certificates, proxy] = await Promise.all([read(spec.secretRef), read(spec.certSecretRef), read(spec.proxySecretRef)])
  const text = valuesOf(data)
  const secretAddress = text('address')
  if (secretAddress !== undefined && Buffer.byteLength(secretAddress) > longestAddress)
    throw new Error(`invalid address in secret: address exceeds maximum length of ${longestAddress} bytes`)
  const proxyUrl = proxy ? named('proxySecretRef', () => proxyOf(valuesOf(proxy))) : deprecatedProxy(text('proxy') ?? spec.proxy)
  // Commit status providers also take the certificates from the Secret with the token.
  const tlsData = certificates ?? (definition.purpose === 'commitStatus' ? data : undefined)
  return {
    target: {
      address: secretAddress?.trim() || (spec.address ?? ''),
      channel: spec.channel ?? '',
      username: text('username') ?? spec.username ?? '',
      password: text('password') ?? '',
      token: text('token')?.trim() ?? '',
      headers: headersOf(text('headers')),
      secret: new Map(Object.keys(data ?? {}).map((key) => [key, text(key) ?? ''])),
      providerUid: metadata.uid ?? '',
      providerName: metadata.name,
      providerNamespace: metadata.namespace,
      commitStatus: undefined,
    },
    connection: {
      ...(tlsData && { tls: named('certSecretRef', () => tlsOf(valuesOf(tlsData))) }),
      ...(proxyUrl ? { proxy: proxyUrl } : { proxies: environmentProxies() }),
    },
    timeoutMs: parseDuration(spec.timeout ?? defaultTimeout),
    secrets: secretsOf(data, [proxyUrl, URL.parse(secretAddress?.trim() || (spec.address ?? ''))]),
  }
}

function named<T>(field: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new Error(`invalid secret of spec.${field}: ${messageOf(error)}`, { cause: error })
  }
}

function deprecatedProxy(address: string | undefined): URL | undefined {
  if (!address) return undefined
  const url = URL.parse(address.trim())
  if (!url || !['http:', 'https:'].includes(url.protocol)) throw new Error('the proxy is no http or https URL')
  return url
}

function headersOf(text: string | undefined): ReadonlyMap<string, string> {
  if (text === undefined) return new Map()
  const value = loadHeaders(text)
  if (value === null || value === undefined) return new Map()
  if (typeof value !== 'object' || Array.isArray(value))
    throw new Error("failed to read headers from secret: key 'headers' is no map")
  return new Map(Object.entries(value).map(([name, header]) => [name, String(header)]))
}

/** The error of the parser would show a part of the Secret. */
function loadHeaders(text: string) {
  try {
    return loadFirst(text, { dialect: 'sigs' })
  } catch (error) {
    throw new Error("failed to read headers from secret: key 'headers' is no YAML map", { cause: error })
  }
}

/** Names of keys whose values are no secrets. */
const harmless = new Set(['username', 'ca.crt', 'caFile', 'tls.crt', 'certFile', 'region'])
const shortestSecret = 4
const shortestSecretPath = 8

function secretsOf(data: SecretData | undefined, urls: readonly (URL | null | undefined)[]): string[] {
  const text = valuesOf(data)
  const values = Object.keys(data ?? {})
    .filter((key) => !harmless.has(key))
    .map((key) => text(key)?.trim() ?? '')
  // Services repeat the path they were asked for; that of a webhook in a Secret is as good as its token.
  const secretPath = URL.parse(text('address')?.trim() ?? '')?.pathname ?? ''
  if (secretPath.length >= shortestSecretPath) values.push(secretPath)
  for (const url of urls) if (url?.password) values.push(querystring.unescape(url.password), url.password)
  return values.filter((value) => value.length >= shortestSecret).sort((a, b) => b.length - a.length)
}

/** A text without the secrets. */
export function masked(text: string, secrets: readonly string[]): string {
  return secrets.reduce((shown, secret) => shown.replaceAll(secret, '*****').replaceAll(encodeURIComponent(secret), '*****'), text)
}

/**
 * Id of the commit status: by `spec.commitStatusExpr`, else of the object and the Provider, so that clusters do not overwrite each other.
 * @throws Error for an expression that fails. Source: createCommitStatus.
 */
export function commitStatusOf(event: FluxEvent, alert: Alert, provider: Provider): string {
  const expression = provider.spec.commitStatusExpr
  const { kind, name } = event.involvedObject
  if (!expression) return `${kind}/${name}/${(provider.metadata.uid ?? '').split('-')[0]}`.toLowerCase()
  try {
    return compileText(expression, { variables: ['event', 'alert', 'provider'] }).evaluate({ event, alert, provider })
  } catch (error) {
    const why = `failed to evaluate the spec.commitStatusExpr CEL expression for the event: ${messageOf(error)}`
    throw new Error(`failed to create commit status: ${why}`, { cause: error })
  }
}
