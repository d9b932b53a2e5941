/** ExternalArtifact: an artifact that somebody else makes, serves and writes into the status. */
import { ageColumn, defineKind, readyColumns } from './kind.ts'
import { artifactSchema, commonStatusFields, type FluxObject } from './meta.ts'
import { type Infer, object, optional, string } from './schema.ts'

const spec = object('Where the artifact comes from.', {
  sourceRef: optional(
    object('The object that the artifact was made of, for people and tools to look up.', {
      apiVersion: optional(string('Its API version.')),
      kind: string('Its kind.'),
      name: string('Its name.'),
      namespace: optional(string('Its namespace; that of this object when empty.')),
    }),
  ),
})

const status = object('What the maker of the artifact says about it.', {
  artifact: optional(artifactSchema('The archive that was made last.')),
  conditions: commonStatusFields.conditions,
})

export type ExternalArtifactSpec = Infer<typeof spec>
export type ExternalArtifactStatus = Infer<typeof status>
export type ExternalArtifact = FluxObject<ExternalArtifactSpec, ExternalArtifactStatus>

export const externalArtifactKind = defineKind({
  group: 'source.toolkit.fluxcd.io',
  version: 'v1',
  kind: 'ExternalArtifact',
  plural: 'externalartifacts',
  shortNames: ['ea'],
  categories: ['all', 'fluxcd', 'fluxcd-sources'],
  columns: [ageColumn, ...readyColumns, { name: 'Source', type: 'string', jsonPath: '.spec.sourceRef.name' }],
  description: 'An artifact that another program makes and serves, for Kustomizations and HelmReleases to apply.',
  spec,
  status,
})
