/** OCIRepository: an artifact of an OCI registry as a source. */
import { signature, signers } from './fragments.ts'
import { ageColumn, defineKind, readyColumns } from './kind.ts'
import { artifactSchema, commonStatusFields, type FluxObject, freshStatus, localReference } from './meta.ts'
import { boolean, duration, type Infer, object, oneOf, optional, shortDuration, string } from './schema.ts'

const layerSelector = object('Which layer of the artifact is used.', {
  mediaType: optional(string('The first layer of this media type; the first of all when empty.')),
  operation: optional(
    oneOf('Whether the layer is unpacked and packed again (extract, also when empty) or kept as it is (copy).', [
      'extract',
      'copy',
    ]),
  ),
})

const spec = object('Which artifact is pulled, how often and how.', {
  url: string('Address of the artifact without tag: oci://<host>/<name>.', { pattern: '^oci://.*$' }),
  ref: optional(
    object('Which of its versions; the tag latest when empty.', {
      tag: optional(string('A tag.')),
      semver: optional(string('A range of versions: the newest tag within it is taken; wins over tag.')),
      semverFilter: optional(string('A regular expression: only tags that it matches count for semver.')),
      digest: optional(string('A digest, as sha256:<hex>; wins over everything else.')),
    }),
  ),
  layerSelector: optional(layerSelector),
  interval: duration('How often the registry is looked at for changes; subject to jitter.'),
  timeout: optional(shortDuration('How long a pull may take.', { default: '60s' })),
  provider: optional(
    oneOf('Who issues the credentials when they do not come from a Secret.', ['generic', 'aws', 'azure', 'gcp'], {
      default: 'generic',
    }),
  ),
  secretRef: optional(localReference('Secret with the .dockerconfigjson of a login.')),
  serviceAccountName: optional(
    string('ServiceAccount whose image pull secrets, or whose identity with a cloud, are used to log in.'),
  ),
  certSecretRef: optional(localReference('Secret with ca.crt, and tls.crt with tls.key, for TLS.')),
  proxySecretRef: optional(
    localReference('Secret with the address, and optionally username and password, of the proxy to go through.'),
  ),
  insecure: optional(boolean('Whether the registry is spoken to without TLS.')),
  verify: optional(
    object('What signature the artifact must carry.', {
      ...signature,
      matchOIDCIdentity: signers,
      trustedRootSecretRef: optional(localReference('Secret with the trusted_root.json of a Sigstore installation of your own.')),
    }),
  ),
  ignore: optional(
    string(
      'Files that are left out, in the syntax of .gitignore. It is added to the .sourceignore files of the artifact, and replaces the built-in list.',
    ),
  ),
  suspend: optional(boolean('Whether all work on this object is put off; what was pulled stays.')),
})

const status = object(
  'What was pulled last, and how it went.',
  {
    ...commonStatusFields,
    artifact: optional(artifactSchema('The archive of the last successful pull.')),
    url: optional(string('Address of the newest archive on the artifact server.')),
    observedIgnore: optional(string('The spec.ignore that the present artifact was made with.')),
    observedLayerSelector: optional(layerSelector),
  },
  { default: freshStatus },
)

export type OCIRepositorySpec = Infer<typeof spec>
export type OCIRepositoryStatus = Infer<typeof status>
export type OCIRepository = FluxObject<OCIRepositorySpec, OCIRepositoryStatus>

export const ociRepositoryKind = defineKind({
  group: 'source.toolkit.fluxcd.io',
  version: 'v1',
  kind: 'OCIRepository',
  plural: 'ocirepositories',
  shortNames: ['ocirepo'],
  categories: ['all', 'fluxcd', 'fluxcd-sources'],
  columns: [{ name: 'URL', type: 'string', jsonPath: '.spec.url' }, ...readyColumns, ageColumn],
  description: 'An artifact of an OCI registry whose files are pulled, packed and served to those that consume them.',
  spec,
  status,
})
