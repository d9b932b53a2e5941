/** What is sent to the API server for an object of the build. */
import { X509Certificate } from 'node:crypto'
import { gvkOf, type KubeObject } from '../api/object.ts'
import { staleAnnotations, staleLabels } from './known.ts'
import { isCrd } from './stages.ts'

export interface Placement {
  readonly namespaced: boolean
  /** Set over the object's own labels. */
  readonly labels: Readonly<Record<string, string>>
}

/**
 * The object as it is applied: with the owner's labels, without namespace where the kind is cluster-scoped, and mended where
 * server-side apply is known to go wrong. The argument is not changed.
 * Source: github.com/fluxcd/pkg/ssa/normalize, ssa/utils RemoveCABundleFromCRD.
 */
export function desiredObject(object: KubeObject, placement: Placement): KubeObject {
  const { creationTimestamp: _, namespace, annotations, ...metadata } = object.metadata
  const placed: KubeObject = {
    ...object,
    metadata: {
      ...metadata,
      ...(placement.namespaced && namespace && { namespace }),
      labels: { ...withoutKeys(object.metadata.labels, staleLabels), ...placement.labels },
      // An export of a live object may have them: they would be removed and applied again in every run.
      ...(annotations && { annotations: withoutKeys(annotations, staleAnnotations) }),
    },
  }
  return mend(isCrd(object) ? placed : without(placed, 'status'))
}

function mend(object: KubeObject): KubeObject {
  const { group, kind } = gvkOf(object)
  switch (`${group}/${kind}`) {
    case '/Secret':
      return secretData(object)
    case '/Service':
      return update(object, ['spec'], portProtocols)
    case '/Pod':
      return update(object, ['spec'], podPortProtocols)
    case 'apps/Deployment':
    case 'apps/StatefulSet':
    case 'apps/DaemonSet':
    case 'apps/ReplicaSet':
    case 'batch/Job':
      return update(object, ['spec', 'template', 'spec'], podPortProtocols)
    case 'batch/CronJob':
      return update(object, ['spec', 'jobTemplate', 'spec', 'template', 'spec'], podPortProtocols)
    case 'apiextensions.k8s.io/CustomResourceDefinition':
      return update(object, ['spec', 'conversion', 'webhook', 'clientConfig'], withoutBadCaBundle)
    default:
      return object
  }
}

type Fields = Readonly<Record<string, unknown>>

/** `stringData` is turned into `data`: the API server would do so too, but nobody would own the keys then. */
function secretData(object: KubeObject): KubeObject {
  const { stringData } = object
  const data = object.data ?? {}
  if (!isFields(stringData)) return object
  const entries = Object.entries(stringData)
  // What has the wrong type is left for the API server to refuse.
  if (!isFields(data) || !entries.every(([, value]) => typeof value === 'string')) return object
  const encoded = Object.fromEntries(entries.map(([key, value]) => [key, Buffer.from(String(value)).toString('base64')]))
  return { ...without(object, 'stringData'), data: { ...data, ...encoded } }
}

/** Ports without a protocol get TCP: it is part of their merge key. Source: kubernetes-sigs/structured-merge-diff issue 130. */
function portProtocols(owner: Fields): Fields {
  if (!Array.isArray(owner.ports)) return owner
  return {
    ...owner,
    ports: owner.ports.map((port: unknown) => (isFields(port) && !port.protocol ? { ...port, protocol: 'TCP' } : port)),
  }
}

/** Not those of init containers: Flux leaves them alone, and who of the two applies must own the same fields. */
function podPortProtocols(pod: Fields): Fields {
  const { containers } = pod
  if (!Array.isArray(containers)) return pod
  return { ...pod, containers: containers.map((one: unknown) => (isFields(one) ? portProtocols(one) : one)) }
}

/** Kubernetes 1.31 and later refuse a CRD whose `caBundle` is no certificate, which an injector replaces later. */
function withoutBadCaBundle(config: Fields): Fields {
  const { caBundle, ...rest } = config
  if (typeof caBundle !== 'string' || caBundle === '' || isCertificate(caBundle)) return config
  return rest
}

function isCertificate(base64: string): boolean {
  try {
    return new X509Certificate(Buffer.from(base64, 'base64')).subject !== undefined
  } catch {
    return false
  }
}

/** A copy of the object with the value at `path` replaced; the object itself where there are no fields. */
function update(object: KubeObject, path: readonly string[], change: (fields: Fields) => Fields): KubeObject {
  return { ...object, ...updateFields(object, path, change) }
}

function updateFields(fields: Fields, path: readonly string[], change: (fields: Fields) => Fields): Fields {
  const [name, ...rest] = path
  if (name === undefined) return change(fields)
  const inner = fields[name]
  return isFields(inner) ? { ...fields, [name]: updateFields(inner, rest, change) } : fields
}

/** A manifest may have `null` where the type says otherwise. */
function withoutKeys(values: Readonly<Record<string, string>> | undefined, keys: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(values ?? {}).filter(([key]) => !keys.includes(key)))
}

function without(object: KubeObject, field: string): KubeObject {
  const { [field]: _, ...rest } = object
  return { ...rest, apiVersion: object.apiVersion, kind: object.kind, metadata: object.metadata }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
