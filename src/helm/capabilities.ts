/** What a cluster can do, as charts see it in `.Capabilities`. Source: helm pkg/action/action.go getCapabilities, GetVersionSet. */
import type { Client } from '../kube/client.ts'
import type { Capabilities } from '../lib/chart/index.ts'

/** Source: k8s.io/api/apidiscovery/v2 APIGroupDiscoveryList. */
interface GroupList {
  readonly items?: readonly {
    readonly metadata?: { readonly name?: string }
    readonly versions?: readonly {
      readonly version: string
      readonly resources?: readonly { readonly responseKind?: { readonly kind?: string } }[]
    }[]
  }[]
}

const aggregated = ['v2', 'v2beta1'].map(
  (version) => `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
)

/**
 * Asked anew each time: the CRDs of the release before may have come a second ago.
 * @throws ApiError, ConnectionError
 */
export async function capabilitiesOf(client: Client, signal: AbortSignal): Promise<Capabilities> {
  const get = (path: string, accept?: string) =>
    client.transport.request({ method: 'GET', path, verb: 'discovery', signal, ...(accept && { accept }) })
  const [version, core, groups] = await Promise.all([
    get('/version') as Promise<{ readonly gitVersion?: string }>,
    get('/api', aggregated.join(',')) as Promise<GroupList>,
    get('/apis', aggregated.join(',')) as Promise<GroupList>,
  ])
  return { kubeVersion: version.gitVersion ?? '', apiVersions: [...versionsOf(core), ...versionsOf(groups)] }
}

/** Each version of a group, and each kind in it: `apps/v1`, `apps/v1/Deployment`. */
function versionsOf({ items = [] }: GroupList): string[] {
  return items.flatMap(({ metadata, versions = [] }) =>
    versions.flatMap(({ version, resources = [] }) => {
      const name = metadata?.name ? `${metadata.name}/${version}` : version
      const kinds = resources.flatMap(({ responseKind }) => (responseKind?.kind ? [`${name}/${responseKind.kind}`] : []))
      return [name, ...new Set(kinds)]
    }),
  )
}
