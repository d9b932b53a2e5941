/**
 * Where the API server is and how to prove who we are: kubeconfig files, kubeconfigs kept in Secrets, and the service account of a pod.
 * `@kubernetes/client-node` is loaded only for exec plugins and auth providers (OIDC): it costs 90 MB of memory.
 */
import { readFile } from 'node:fs/promises'
import { delimiter, dirname, isAbsolute, join } from 'node:path'
import { load } from 'js-yaml'
import { messageOf } from '../lib/errors.ts'

/** What a connection to an API server needs. */
export interface KubeConfig {
  /** May have a path, before which nothing of the API is (as Rancher's have). */
  readonly server: URL
  /** Of the context or the pod. */
  readonly namespace: string | undefined
  /** An HTTP proxy to go through. */
  readonly proxyUrl: string | undefined
  /** Kubeconfig's `as`: whom to act as. */
  readonly identity: Identity | undefined
  /**
   * TLS settings and the Authorization header. Files and plugins are asked again at most once a minute, so that rotated tokens and
   * certificates are taken up; `fresh` asks now. When asking again fails, the last answer stands.
   */
  credentials(options?: { fresh?: boolean }): Promise<Credentials>
}

/** Whose rights a request uses: impersonation headers of the Kubernetes API. */
export interface Identity {
  readonly user: string
  readonly groups?: readonly string[]
}

export interface Credentials {
  readonly authorization: string | undefined
  readonly tls: TlsSettings
}

export interface TlsSettings {
  readonly ca?: string | Buffer
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  readonly servername?: string
  readonly rejectUnauthorized?: boolean
}

export interface ConfigSource {
  /** Path of a kubeconfig (`--kubeconfig`), or several as in KUBECONFIG. */
  readonly kubeconfig?: string
  /** Another context than the current one. */
  readonly context?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Where the pod's token, CA and namespace are. */
  readonly serviceAccountDirectory?: string
  /** Milliseconds of a clock that never jumps. */
  readonly monotonic?: () => number
}

/** A kubeconfig that came as text from somebody who may not be trusted (`spec.kubeConfig` of a tenant). */
export interface ConfigText {
  readonly text: string
  /** For messages: `Secret "apps/prod" key "value"`. */
  readonly origin: string
  /** Let it run exec plugins and auth providers. */
  readonly allowExec?: boolean
  /** Let it switch certificate verification off; otherwise that setting is ignored. */
  readonly allowInsecureTls?: boolean
  readonly monotonic?: () => number
}

const rereadMs = 60_000
const maxTextLength = 4 * 1024 * 1024

/**
 * Finds the configuration where Kubernetes programs look for it, in this order: the path given, KUBECONFIG, the pod's service
 * account, ~/.kube/config.
 * @throws Error that says what is missing in which file.
 * Source: controller-runtime config.GetConfig.
 */
export async function loadConfig(source: ConfigSource = {}): Promise<KubeConfig> {
  const env = source.env ?? process.env
  const paths = source.kubeconfig || env.KUBECONFIG
  if (paths) return fromFiles(paths.split(delimiter).filter(Boolean), source)
  if (env.KUBERNETES_SERVICE_HOST) return inCluster(source, env)
  if (env.HOME) return fromFiles([join(env.HOME, '.kube', 'config')], source)
  throw new Error('no Kubernetes configuration: give --kubeconfig, set KUBECONFIG, or run in a pod with a service account')
}

/**
 * Reads a kubeconfig that is complete in itself: file paths in it are refused, and so are programs to run, unless allowed.
 * @throws Error that names the origin.
 * Source: common.md section 11.
 */
export function parseConfig(given: ConfigText): KubeConfig {
  const settings = contextOf([parseKubeconfig(given.text, given.origin, undefined)], undefined, given.origin)
  for (const field of ['certificate-authority', 'client-certificate', 'client-key', 'tokenFile']) {
    if (settings.cluster.has(field) || settings.user.has(field)) {
      throw new Error(`${given.origin}: "${field}" names a file; put its content into the kubeconfig instead`)
    }
  }
  if (needsPlugin(settings) && !given.allowExec) {
    throw new Error(`${given.origin}: exec plugins and auth providers are not allowed; use a token or a client certificate`)
  }
  if (!given.allowInsecureTls) settings.cluster.delete('insecure-skip-tls-verify')
  return toConfig(settings, given.monotonic)
}

async function fromFiles(paths: readonly string[], source: ConfigSource): Promise<KubeConfig> {
  const files: Kubeconfig[] = []
  for (const path of paths) {
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      // Of several files some may be missing, as for kubectl.
      if (paths.length > 1) return undefined
      throw new Error(`failed to read the kubeconfig: ${messageOf(error)}`, { cause: error })
    })
    if (text !== undefined) files.push(parseKubeconfig(text, path, dirname(path)))
  }
  return toConfig(contextOf(files, source.context, paths.join(delimiter)), source.monotonic)
}

async function inCluster(source: ConfigSource, env: NonNullable<ConfigSource['env']>): Promise<KubeConfig> {
  const directory = source.serviceAccountDirectory ?? '/var/run/secrets/kubernetes.io/serviceaccount'
  const host = env.KUBERNETES_SERVICE_HOST ?? ''
  const port = env.KUBERNETES_SERVICE_PORT ?? '443'
  const namespace = await readFile(join(directory, 'namespace'), 'utf8').catch(() => undefined)
  const read = async (): Promise<Credentials> => {
    const [token, ca] = await Promise.all(['token', 'ca.crt'].map((name) => readFile(join(directory, name), 'utf8')))
    return { authorization: `Bearer ${token?.trim()}`, tls: ca ? { ca } : {} }
  }
  return {
    server: new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`),
    namespace: namespace?.trim() || undefined,
    proxyUrl: undefined,
    identity: undefined,
    credentials: reread(read, source.monotonic),
  }
}

/** The parts of a kubeconfig, by name. */
interface Kubeconfig {
  readonly currentContext: string
  readonly contexts: ReadonlyMap<string, Fields>
  readonly clusters: ReadonlyMap<string, Fields>
  readonly users: ReadonlyMap<string, Fields>
}

type Fields = Map<string, unknown>

interface ContextSettings {
  readonly origin: string
  readonly context: Fields
  readonly cluster: Fields
  readonly user: Fields
}

function parseKubeconfig(text: string, origin: string, directory: string | undefined): Kubeconfig {
  if (text.length > maxTextLength) throw new Error(`${origin}: too large for a kubeconfig (${text.length} characters)`)
  let root: Fields
  try {
    root = fieldsOf(text.trim() === '' ? {} : load(text, { filename: origin }))
  } catch {
    // The parser's message quotes the text, which holds credentials.
    throw new Error(`${origin}: the kubeconfig is not valid YAML`)
  }
  const named = (list: string, item: string) => {
    const entries = root.get(list)
    return new Map(
      (Array.isArray(entries) ? entries.map(fieldsOf) : []).map((entry) => {
        const fields = fieldsOf(entry.get(item))
        if (directory !== undefined) makePathsAbsolute(fields, directory)
        return [textOf(entry.get('name')) ?? '', fields]
      }),
    )
  }
  return {
    currentContext: textOf(root.get('current-context')) ?? '',
    contexts: named('contexts', 'context'),
    clusters: named('clusters', 'cluster'),
    users: named('users', 'user'),
  }
}

function makePathsAbsolute(fields: Fields, directory: string): void {
  for (const field of ['certificate-authority', 'client-certificate', 'client-key', 'tokenFile']) {
    const path = textOf(fields.get(field))
    if (path && !isAbsolute(path)) fields.set(field, join(directory, path))
  }
  const exec = fieldsOf(fields.get('exec'))
  const command = textOf(exec.get('command'))
  if (command?.includes('/') && !isAbsolute(command)) {
    fields.set('exec', Object.fromEntries(exec.set('command', join(directory, command))))
  }
}

/** The settings of one context; where several files have an entry of the same name, the first file wins. */
function contextOf(files: readonly Kubeconfig[], wanted: string | undefined, origin: string): ContextSettings {
  const name = wanted ?? files.find((file) => file.currentContext)?.currentContext
  if (!name) throw new Error(`${origin}: no current-context; set one with "kubectl config use-context"`)
  const find = (part: 'contexts' | 'clusters' | 'users', key: string) =>
    files.map((file) => file[part].get(key)).find((fields) => fields !== undefined)
  const context = find('contexts', name)
  if (!context) throw new Error(`${origin}: context "${name}" does not exist`)
  const clusterName = textOf(context.get('cluster')) ?? ''
  const cluster = find('clusters', clusterName)
  if (!cluster) throw new Error(`${origin}: context "${name}" names cluster "${clusterName}", which does not exist`)
  const userName = textOf(context.get('user')) ?? ''
  const user = find('users', userName)
  if (!user && userName) throw new Error(`${origin}: context "${name}" names user "${userName}", which does not exist`)
  return { origin, context, cluster, user: user ?? new Map() }
}

function toConfig(settings: ContextSettings, monotonic: (() => number) | undefined): KubeConfig {
  const { context, cluster, user, origin } = settings
  const server = textOf(cluster.get('server')) ?? ''
  if (!URL.canParse(server) || !/^https?:/.test(server)) {
    throw new Error(`${origin}: server "${server}" is not a URL such as https://host:6443`)
  }
  const as = textOf(user.get('as'))
  const groups = user.get('as-groups')
  return {
    server: new URL(server),
    namespace: textOf(context.get('namespace')),
    proxyUrl: textOf(cluster.get('proxy-url')),
    identity: as ? { user: as, groups: Array.isArray(groups) ? groups.map(String) : [] } : undefined,
    credentials: reread(needsPlugin(settings) ? pluginCredentials(settings) : () => readCredentials(settings), monotonic),
  }
}

function needsPlugin({ user }: ContextSettings): boolean {
  return user.has('exec') || user.has('auth-provider')
}

async function readCredentials({ cluster, user, origin }: ContextSettings): Promise<Credentials> {
  const content = async (fields: Fields, field: string): Promise<string | Buffer | undefined> => {
    const data = textOf(fields.get(`${field}-data`))
    if (data) return Buffer.from(data, 'base64')
    const path = textOf(fields.get(field))
    return path ? readNamedFile(path, origin, field) : undefined
  }
  const [ca, cert, key] = await Promise.all([
    content(cluster, 'certificate-authority'),
    content(user, 'client-certificate'),
    content(user, 'client-key'),
  ])
  const servername = textOf(cluster.get('tls-server-name'))
  return {
    authorization: await authorizationOf(user, origin),
    tls: {
      ...(ca && { ca }),
      ...(cert && { cert }),
      ...(key && { key }),
      ...(servername && { servername }),
      ...(cluster.get('insecure-skip-tls-verify') === true && { rejectUnauthorized: false }),
    },
  }
}

async function authorizationOf(user: Fields, origin: string): Promise<string | undefined> {
  const tokenFile = textOf(user.get('tokenFile'))
  const token = tokenFile ? (await readNamedFile(tokenFile, origin, 'tokenFile')).trim() : textOf(user.get('token'))
  if (token) return `Bearer ${token}`
  const username = textOf(user.get('username'))
  if (!username) return undefined
  return `Basic ${Buffer.from(`${username}:${textOf(user.get('password')) ?? ''}`).toString('base64')}`
}

async function readNamedFile(path: string, origin: string, field: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new Error(`${origin}: failed to read "${field}": ${messageOf(error)}`, { cause: error })
  }
}

/** Asks client-node, which runs the plugin and keeps its answer until it expires. */
function pluginCredentials({ origin, context, cluster, user }: ContextSettings): () => Promise<Credentials> {
  const text = JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'context',
    contexts: [{ name: 'context', context: { ...Object.fromEntries(context), cluster: 'cluster', user: 'user' } }],
    clusters: [{ name: 'cluster', cluster: Object.fromEntries(cluster) }],
    users: [{ name: 'user', user: Object.fromEntries(user) }],
  })
  let loaded: Promise<import('@kubernetes/client-node').KubeConfig> | undefined
  const configuration = async () => {
    const { KubeConfig } = await import('@kubernetes/client-node')
    const config = new KubeConfig()
    config.loadFromString(text)
    return config
  }
  return async () => {
    loaded ??= configuration()
    const options: Parameters<Awaited<typeof loaded>['applyToHTTPSOptions']>[0] & { headers?: object } = {}
    try {
      await (await loaded).applyToHTTPSOptions(options)
    } catch (error) {
      throw new Error(`${origin}: the credential plugin failed: ${messageOf(error)}`, { cause: error })
    }
    const { ca, cert, key, servername, rejectUnauthorized } = options as TlsSettings
    return {
      authorization: textOf(fieldsOf(options.headers).get('Authorization')),
      tls: {
        ...(ca && { ca }),
        ...(cert && { cert }),
        ...(key && { key }),
        ...(servername && { servername }),
        ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
      },
    }
  }
}

function reread(read: () => Promise<Credentials>, monotonic = () => performance.now()): KubeConfig['credentials'] {
  let current: Promise<Credentials> | undefined
  let readAt = 0
  return ({ fresh } = {}) => {
    if (current && !fresh && monotonic() - readAt < rereadMs) return current
    const last = current
    readAt = monotonic()
    const next = read().catch((error: unknown) => {
      if (last) return last
      current = undefined
      throw error
    })
    current = next
    return next
  }
}

function fieldsOf(value: unknown): Fields {
  return new Map(typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [])
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
