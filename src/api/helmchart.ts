/** HelmChart: one chart, from a repository or from a directory of another source, as an artifact. */
import { signature, signers } from './fragments.ts'
import { ageColumn, defineKind, readyColumns } from './kind.ts'
import { artifactSchema, commonStatusFields, type FluxObject, freshStatus } from './meta.ts'
import { array, boolean, duration, type Infer, object, oneOf, optional, string } from './schema.ts'

const spec = object(
  'Which chart, from where, and in which version.',
  {
    chart: string('Name of the chart in a HelmRepository, or path of it in another source.'),
    version: optional(
      string('A version or a range of versions; not used with charts of other sources than a HelmRepository.', { default: '*' }),
    ),
    sourceRef: object('Where the chart comes from, in the same namespace.', {
      apiVersion: optional(string('API version of the source.')),
      kind: oneOf('Kind of the source.', ['HelmRepository', 'GitRepository', 'Bucket']),
      name: string('Name of the source.'),
    }),
    interval: duration('How often the source is looked at for changes; subject to jitter.'),
    reconcileStrategy: optional(
      oneOf(
        "When there is a new artifact: with each new version of the chart, or with each new revision of the chart's source.",
        ['ChartVersion', 'Revision'],
        { default: 'ChartVersion' },
      ),
    ),
    valuesFiles: optional(
      array(
        "Files that are merged in their order into the chart's values.yaml, which itself counts only when it is listed.",
        string('Path of a file: in the chart, or in the source where it is none of charts.'),
      ),
    ),
    ignoreMissingValuesFiles: optional(boolean('Whether files that are not there are left out instead of being an error.')),
    verify: optional(
      object('What signature the chart must carry; for registries only.', { ...signature, matchOIDCIdentity: signers }),
    ),
    suspend: optional(boolean('Whether all work on this object is put off; what was fetched stays.')),
  },
  {
    rules: [
      {
        rule: "!has(self.verify) || self.sourceRef.kind == 'HelmRepository'",
        message: "spec.verify is only supported when spec.sourceRef.kind is 'HelmRepository'",
      },
    ],
  },
)

const status = object(
  'What was fetched last, and how it went.',
  {
    ...commonStatusFields,
    artifact: optional(artifactSchema('The packed chart of the last successful run.')),
    url: optional(string('Address of the newest chart on the artifact server.')),
    observedChartName: optional(string('Name of the chart in the present artifact.')),
    observedSourceArtifactRevision: optional(string('The revision of the source that was last looked at.')),
    observedValuesFiles: optional(
      array(
        'The values files that the present artifact was made with, where missing ones are left out.',
        string('Path of a file.'),
      ),
    ),
  },
  { default: freshStatus },
)

export type HelmChartSpec = Infer<typeof spec>
export type HelmChartStatus = Infer<typeof status>
export type HelmChart = FluxObject<HelmChartSpec, HelmChartStatus>

export const helmChartKind = defineKind({
  group: 'source.toolkit.fluxcd.io',
  version: 'v1',
  kind: 'HelmChart',
  plural: 'helmcharts',
  shortNames: ['hc'],
  categories: ['all', 'fluxcd', 'fluxcd-sources'],
  columns: [
    { name: 'Chart', type: 'string', jsonPath: '.spec.chart' },
    { name: 'Version', type: 'string', jsonPath: '.spec.version' },
    { name: 'Source Kind', type: 'string', jsonPath: '.spec.sourceRef.kind' },
    { name: 'Source Name', type: 'string', jsonPath: '.spec.sourceRef.name' },
    ageColumn,
    ...readyColumns,
  ],
  description: 'A Helm chart that is fetched or packed, and served to those that install it.',
  spec,
  status,
})
