/** HelmRepository: a chart repository over HTTP, or the address of charts in an OCI registry. */
import { ageColumn, defineKind, readyColumns } from './kind.ts'
import { artifactSchema, commonStatusFields, type FluxObject, freshStatus, localReference } from './meta.ts'
import { array, boolean, duration, type Infer, map, object, oneOf, optional, shortDuration, string } from './schema.ts'

const spec = object('Where the repository is, and how it is read.', {
  url: string('Address of the repository: http or https with an index, or oci with type oci.', {
    pattern: '^(http|https|oci)://.*$',
  }),
  type: optional(oneOf('Whether it has an index (default, also when empty) or is a registry (oci).', ['default', 'oci'])),
  interval: optional(duration('How often the index is looked at for changes; subject to jitter; 1m when empty.')),
  timeout: optional(shortDuration('How long reading the index may take; 60s when empty.')),
  secretRef: optional(
    localReference('Secret with username and password, or, for registries, with the .dockerconfigjson of a login.'),
  ),
  certSecretRef: optional(localReference('Secret with ca.crt, and tls.crt with tls.key, for TLS.')),
  passCredentials: optional(
    boolean('Whether the credentials are also sent to other hosts that the index names as places of charts.'),
  ),
  insecure: optional(boolean('Whether a registry is spoken to without TLS.')),
  provider: optional(
    oneOf('Who issues the credentials of a registry when they do not come from a Secret.', ['generic', 'aws', 'azure', 'gcp'], {
      default: 'generic',
    }),
  ),
  accessFrom: optional(
    object('Not used any more.', {
      namespaceSelectors: array(
        'Not used any more.',
        object('Not used any more.', { matchLabels: optional(map('Not used any more.', string('Not used any more.'))) }),
      ),
    }),
  ),
  suspend: optional(boolean('Whether all work on this object is put off; what was fetched stays.')),
})

const status = object(
  'What was fetched last, and how it went.',
  {
    ...commonStatusFields,
    artifact: optional(artifactSchema('The index of the last successful fetch.')),
    url: optional(string('Address of the newest index on the artifact server.')),
  },
  { default: freshStatus },
)

export type HelmRepositorySpec = Infer<typeof spec>
export type HelmRepositoryStatus = Infer<typeof status>
export type HelmRepository = FluxObject<HelmRepositorySpec, HelmRepositoryStatus>

export const helmRepositoryKind = defineKind({
  group: 'source.toolkit.fluxcd.io',
  version: 'v1',
  kind: 'HelmRepository',
  plural: 'helmrepositories',
  shortNames: ['helmrepo'],
  categories: ['all', 'fluxcd', 'fluxcd-sources'],
  columns: [{ name: 'URL', type: 'string', jsonPath: '.spec.url' }, ageColumn, ...readyColumns],
  description: 'A repository of Helm charts.',
  spec,
  status,
})
