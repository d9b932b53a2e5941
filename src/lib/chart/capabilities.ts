/** What a cluster can do, as templates see it in `.Capabilities`. */

import type { Capabilities } from './chart.ts'

/** What `.Capabilities.HelmVersion` says: charts ask it which Helm renders them. */
export const helmVersion = {
  version: 'v4.3.1',
  gitCommit: '',
  gitTreeState: '',
  goVersion: 'go1.26.8',
  kubeClientVersion: 'v1.37',
} as const

/** The groups and versions that Helm assumes without a cluster: those that client-go 1.37 knows, in its order. */
const knownVersions = `v1
admissionregistration.k8s.io/v1 admissionregistration.k8s.io/v1alpha1 admissionregistration.k8s.io/v1beta1
internal.apiserver.k8s.io/v1alpha1
apps/v1 apps/v1beta1 apps/v1beta2
authentication.k8s.io/v1 authentication.k8s.io/v1alpha1 authentication.k8s.io/v1beta1
authorization.k8s.io/v1 authorization.k8s.io/v1beta1
autoscaling/v1 autoscaling/v2
batch/v1 batch/v1beta1
certificates.k8s.io/v1 certificates.k8s.io/v1beta1 certificates.k8s.io/v1alpha1
coordination.k8s.io/v1alpha2 coordination.k8s.io/v1beta1 coordination.k8s.io/v1
discovery.k8s.io/v1 discovery.k8s.io/v1beta1
events.k8s.io/v1 events.k8s.io/v1beta1
extensions/v1beta1
flowcontrol.apiserver.k8s.io/v1 flowcontrol.apiserver.k8s.io/v1beta1
flowcontrol.apiserver.k8s.io/v1beta2 flowcontrol.apiserver.k8s.io/v1beta3
lifecycle.k8s.io/v1alpha1
networking.k8s.io/v1 networking.k8s.io/v1beta1
node.k8s.io/v1 node.k8s.io/v1alpha1 node.k8s.io/v1beta1
policy/v1 policy/v1beta1
rbac.authorization.k8s.io/v1 rbac.authorization.k8s.io/v1beta1 rbac.authorization.k8s.io/v1alpha1
resource.k8s.io/v1 resource.k8s.io/v1beta2 resource.k8s.io/v1beta1 resource.k8s.io/v1alpha3
scheduling.k8s.io/v1alpha3 scheduling.k8s.io/v1beta1 scheduling.k8s.io/v1
storage.k8s.io/v1beta1 storage.k8s.io/v1 storage.k8s.io/v1alpha1
storagemigration.k8s.io/v1 storagemigration.k8s.io/v1beta1
apiextensions.k8s.io/v1beta1 apiextensions.k8s.io/v1`

/** The cluster that `helm template` renders for when nothing else is said. Source: common.DefaultCapabilities. */
export const defaultCapabilities: Capabilities = {
  kubeVersion: 'v1.37.0',
  apiVersions: knownVersions.split(/\s/),
}

/** The version of a cluster in the forms that Helm has of it. */
export interface KubeVersion {
  /** As it was given, with a `v` before it: `v1.33.4-gke.1245000`. */
  readonly version: string
  /** Numbers alone, for comparisons: `v1.33.4`. */
  readonly normalized: string
  readonly major: string
  readonly minor: string
}

/** What Kubernetes takes for a version: two numbers or more, then anything. Spaces around it and a `v` before it do not count. */
const generic = /^[\t\n\f\r ]*v?([0-9]+(?:\.[0-9]+)*)(.*)$/

/**
 * Parses the version of a cluster.
 * @throws Error for a text that is none.
 * Source: common.ParseKubeVersion, k8s.io/apimachinery/pkg/util/version.ParseGeneric.
 */
export function parseKubeVersion(text: string): KubeVersion {
  const numbers = generic.exec(text)?.[1]
  if (numbers === undefined) throw new Error(`could not parse ${JSON.stringify(text)} as version`)
  const parts = numbers.split('.')
  const [major = '', minor] = parts
  if (minor === undefined) throw new Error(`illegal version string ${JSON.stringify(text)}`)
  if (major.startsWith('0') && major !== '0')
    throw new Error(`illegal zero-prefixed version component ${JSON.stringify(major)} in ${JSON.stringify(text)}`)
  const values = parts.map((part) => numberOf(part, text))
  return {
    version: text.startsWith('v') ? text : `v${text}`,
    normalized: `v${values.join('.')}`,
    major: String(values[0]),
    minor: String(values[1]),
  }
}

function numberOf(part: string, text: string): bigint {
  const value = BigInt(part)
  if (value < 2n ** 64n) return value
  const reason = `strconv.ParseUint: parsing ${JSON.stringify(part)}: value out of range`
  throw new Error(`illegal non-numeric version component ${JSON.stringify(part)} in ${JSON.stringify(text)}: ${reason}`)
}
