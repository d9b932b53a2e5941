/** HelmRelease: a Helm chart installed in the cluster and kept up to date. */
import { commonMetadata, healthCheckExpression, ignoreRule, image, inventory, kubeConfig, patch, signature } from './fragments.ts'
import { ageColumn, defineKind, readyColumns } from './kind.ts'
import { commonStatusFields, type FluxObject, freshStatus } from './meta.ts'
import {
  anything,
  array,
  boolean,
  duration,
  type Infer,
  integer,
  map,
  object,
  oneOf,
  optional,
  string,
  time,
  wholeNumber,
} from './schema.ts'

const sourceName = { minLength: 1, maxLength: 253 }
const namespaceName = { minLength: 1, maxLength: 63 }

const chartTemplate = object('The HelmChart that is made for this release.', {
  metadata: optional(
    object('Labels and annotations of the HelmChart.', {
      labels: optional(map('Labels to add.', string('Value of the label.'))),
      annotations: optional(map('Annotations to add.', string('Value of the annotation.'))),
    }),
  ),
  spec: object('Which chart, from where, and in which version.', {
    chart: string('Name of the chart in a HelmRepository, or path of it in another source.', { minLength: 1, maxLength: 2048 }),
    version: optional(string('A version or a range of versions; for charts of a HelmRepository.', { default: '*' })),
    sourceRef: object('Where the chart comes from.', {
      apiVersion: optional(string('API version of the source.')),
      kind: oneOf('Kind of the source.', ['HelmRepository', 'GitRepository', 'Bucket']),
      name: string('Name of the source.', sourceName),
      namespace: optional(string('Namespace of the source and of the HelmChart; that of the release when empty.', namespaceName)),
    }),
    interval: optional(duration('How often the source is looked at for changes; as interval of the release when empty.')),
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
        string('Path of a file.'),
      ),
    ),
    ignoreMissingValuesFiles: optional(boolean('Whether files that are not there are left out instead of being an error.')),
    verify: optional(object('What signature the chart must carry; for registries only.', signature)),
  }),
})

const chartReference = object('A source that holds the chart.', {
  apiVersion: optional(string('API version of the source.')),
  kind: oneOf('Kind of the source.', ['OCIRepository', 'HelmChart', 'ExternalArtifact']),
  name: string('Name of the source.', sourceName),
  namespace: optional(string('Namespace of the source; that of the release when empty.', namespaceName)),
})

const dependency = object('A HelmRelease that has to be ready first.', {
  name: string('Name of the HelmRelease.'),
  namespace: optional(string('Its namespace; that of this release when empty.')),
  readyExpr: optional(
    string(
      'A CEL expression over self and dep that says whether the dependency is ready, in place of the built-in check (with the feature gate AdditiveCELDependencyCheck: besides it).',
    ),
  ),
})

const valuesReference = object('A ConfigMap or Secret with values.', {
  kind: oneOf('Secret or ConfigMap.', ['Secret', 'ConfigMap']),
  name: string('Its name, in the namespace of the release.', sourceName),
  valuesKey: optional(
    string('The entry with the values; values.yaml when empty.', { maxLength: 253, pattern: String.raw`^[\-._a-zA-Z0-9]+$` }),
  ),
  targetPath: optional(
    string('Where in the values the entry is set, in the syntax of --set; the entry is a YAML file to merge when this is empty.', {
      maxLength: 250,
      pattern: String.raw`^([a-zA-Z0-9_\-.\\\/]|\[[0-9]{1,5}\])+$`,
    }),
  ),
  literal: optional(boolean('Whether the entry is set at targetPath as the text that it is, like --set-literal.')),
  optional: optional(boolean('Whether it may be missing.')),
})

const kustomizePostRenderer = object('Changes made as kustomize makes them.', {
  patches: optional(array('Changes to the rendered objects.', patch)),
  images: optional(array('Container images to replace.', image)),
})

const crdsPolicy = optional(
  oneOf(
    "What becomes of the files in the chart's crds folder: not applied, created where missing, or also replaced; Create when empty.",
    ['Skip', 'Create', 'CreateReplace'],
  ),
)
const actionTimeout = optional(
  duration('How long each single operation, such as a hook or a wait, may take; as timeout of the release when empty.'),
)
const hooksOff = optional(boolean('Whether hooks are left out.'))
const waitOff = optional(boolean('Whether the action does not wait until the objects are ready.'))
const jobsOff = optional(boolean('Whether the wait leaves out Jobs.'))
const sideOfApply = optional(
  oneOf('Whether objects are written by server-side apply; auto does as the release before did.', ['enabled', 'disabled', 'auto']),
)
const retries = optional(wholeNumber('How often a failed attempt is repeated; without limit when negative, never when 0.'))
const remediateLastFailure = optional(boolean('Whether the last failed attempt is undone too.'))
const ignoreTestFailures = optional(boolean('Whether failed tests are no reason to undo; as test.ignoreFailures when empty.'))

function strategy(rule: string, message: string) {
  return optional(
    object(
      'What is done when it fails.',
      {
        name: oneOf('To undo it and try again (RemediateOnFailure), or to try again later in place (RetryOnFailure).', [
          'RemediateOnFailure',
          'RetryOnFailure',
        ]),
        retryInterval: optional(duration('How long to wait before the next try; 5m when empty.')),
      },
      { rules: [{ rule, message }] },
    ),
  )
}

/** What install and upgrade have in common. */
const applyFields = {
  timeout: actionTimeout,
  crds: crdsPolicy,
  disableHooks: hooksOff,
  disableWait: waitOff,
  disableWaitForJobs: jobsOff,
  disableOpenAPIValidation: optional(boolean("Whether the objects are not checked with the cluster's OpenAPI schema.")),
  disableSchemaValidation: optional(boolean("Whether the values are not checked with the chart's schema.")),
  disableTakeOwnership: optional(boolean('Whether objects that exist and belong to no or another release are an error.')),
}

const install = object('How the release is installed.', {
  ...applyFields,
  createNamespace: optional(boolean('Whether targetNamespace is created when it does not exist.')),
  replace: optional(boolean('Whether the name of a release may be used again that was deleted and left its history.')),
  skipCRDs: optional(boolean('Not used any more; see crds.')),
  serverSideApply: optional(boolean('Whether objects are written by server-side apply; true when empty.')),
  strategy: strategy(
    "!has(self.retryInterval) || self.name != 'RemediateOnFailure'",
    ".retryInterval cannot be set when .name is 'RemediateOnFailure'",
  ),
  remediation: optional(
    object('How a failed install is undone and repeated.', { retries, remediateLastFailure, ignoreTestFailures }),
  ),
})

const upgrade = object('How the release is upgraded.', {
  ...applyFields,
  cleanupOnFail: optional(boolean('Whether objects that a failed upgrade created are deleted.')),
  force: optional(boolean('Whether objects are replaced instead of patched; not with server-side apply.')),
  preserveValues: optional(boolean('Whether the values of the release before are kept, and merged with the new ones.')),
  chartNameChangeStrategy: optional(
    oneOf("What is done when the chart's name changes: an upgrade (also when empty), or an uninstall before an install.", [
      'InPlaceUpdate',
      'Reinstall',
    ]),
  ),
  serverSideApply: sideOfApply,
  strategy: strategy(
    "!has(self.retryInterval) || self.name == 'RetryOnFailure'",
    ".retryInterval can only be set when .name is 'RetryOnFailure'",
  ),
  remediation: optional(
    object('How a failed upgrade is undone and repeated.', {
      retries,
      remediateLastFailure,
      ignoreTestFailures,
      strategy: optional(
        oneOf('Whether it is undone by going back to the release before (also when empty) or by an uninstall.', [
          'rollback',
          'uninstall',
        ]),
      ),
    }),
  ),
})

const rollback = object('How a failed upgrade is rolled back.', {
  timeout: actionTimeout,
  disableHooks: hooksOff,
  disableWait: waitOff,
  disableWaitForJobs: jobsOff,
  cleanupOnFail: optional(boolean('Whether objects that a failed rollback created are deleted.')),
  force: optional(boolean('Whether objects are replaced instead of patched; not with server-side apply.')),
  recreate: optional(boolean('Not used any more.')),
  serverSideApply: sideOfApply,
})

const uninstall = object('How the release is uninstalled.', {
  timeout: actionTimeout,
  disableHooks: hooksOff,
  disableWait: optional(boolean('Whether the action does not wait until the objects are gone.')),
  keepHistory: optional(boolean('Whether the history of the release stays.')),
  deletionPropagation: optional(
    oneOf('What becomes of the objects that those of the release own.', ['background', 'foreground', 'orphan'], {
      default: 'background',
    }),
  ),
})

const test = object("How the chart's tests are run.", {
  enable: optional(boolean('Whether they run after each install and upgrade.')),
  timeout: actionTimeout,
  ignoreFailures: optional(boolean('Whether the release counts as good when a test fails.')),
  filters: optional(
    array(
      'Which tests run; all when empty.',
      object('One test.', {
        name: string('Name of the test.', sourceName),
        exclude: optional(boolean('Whether this one does not run, instead of being the one that does.')),
      }),
    ),
  ),
})

const spec = object(
  'Which chart is installed, with which values, and how.',
  {
    chart: optional(chartTemplate),
    chartRef: optional(chartReference),
    interval: duration('How often the release is looked at again; subject to jitter.'),
    timeout: optional(duration('How long each single operation, such as a hook or a wait, may take; 5m when empty.')),
    releaseName: optional(
      string('Name of the release; composed of targetNamespace and the name of this object when empty.', {
        minLength: 1,
        maxLength: 53,
      }),
    ),
    targetNamespace: optional(string('Namespace of the release; that of this object when empty.', namespaceName)),
    storageNamespace: optional(string("Namespace of the release's history; that of this object when empty.", namespaceName)),
    dependsOn: optional(array('HelmReleases that have to be ready first.', dependency)),
    values: optional(anything('The values of the release; they win over those of valuesFrom.')),
    valuesFrom: optional(array('Where further values come from; later entries win.', valuesReference)),
    postRenderers: optional(
      array(
        'Changes to the rendered objects, in this order.',
        object('One change.', { kustomize: optional(kustomizePostRenderer) }),
      ),
    ),
    postRenderStrategy: optional(
      oneOf('Whether hooks are changed too: together with the rest (combined), by themselves (separate), or not (nohooks).', [
        'nohooks',
        'combined',
        'separate',
      ]),
    ),
    commonMetadata: optional(commonMetadata),
    driftDetection: optional(
      object('What is done about objects that are no longer as the release made them.', {
        mode: optional(
          oneOf('Whether they are corrected (enabled), only told of (warn), or not looked at (disabled, also when empty).', [
            'enabled',
            'warn',
            'disabled',
          ]),
        ),
        ignore: optional(array('Changes of others that do not count.', ignoreRule)),
      }),
    ),
    install: optional(install),
    upgrade: optional(upgrade),
    rollback: optional(rollback),
    uninstall: optional(uninstall),
    test: optional(test),
    waitStrategy: optional(
      object('How it is told whether objects are ready.', {
        name: oneOf('By the rules of kstatus (poller), or by those of Helm 3 (legacy).', ['poller', 'legacy']),
      }),
    ),
    healthCheckExprs: optional(array('How the health of custom resources is told.', healthCheckExpression)),
    maxHistory: optional(wholeNumber('How many revisions of the release are kept; 5 when empty, all when 0.')),
    persistentClient: optional(boolean('Not used: what is known of the cluster is kept up to date by itself.')),
    kubeConfig: optional(kubeConfig),
    serviceAccountName: optional(
      string('ServiceAccount of the same namespace whose rights are used.', { minLength: 1, maxLength: 253 }),
    ),
    suspend: optional(boolean('Whether all work on this object is put off; a run that is under way is finished.')),
  },
  {
    rules: [
      {
        rule: '(has(self.chart) && !has(self.chartRef)) || (!has(self.chart) && has(self.chartRef))',
        message: 'either chart or chartRef must be set',
      },
    ],
  },
)

const snapshot = object('One revision of the release as this controller left it.', {
  apiVersion: optional(string('Version of the form that the checksum was made of.')),
  digest: string('Checksum of the stored release, as <algorithm>:<hex>.'),
  name: string('Name of the release.'),
  namespace: string('Namespace of the release.'),
  version: wholeNumber('Its revision.'),
  status: string('Its state in the history of Helm.'),
  action: optional(string('What made it: install, upgrade or rollback.')),
  chartName: string('Name of the chart.'),
  chartVersion: string('Version of the chart.'),
  appVersion: optional(string('Version of what the chart installs.')),
  configDigest: string('Checksum of the values, as <algorithm>:<hex>.'),
  firstDeployed: time('When the release was installed.'),
  lastDeployed: time('When this revision was deployed.'),
  deleted: optional(time('When the release was uninstalled.')),
  testHooks: optional(
    map(
      'The tests that ran, by name.',
      object('One test.', {
        lastStarted: optional(time('When it began.')),
        lastCompleted: optional(time('When it ended.')),
        phase: optional(string('How it ended.')),
      }),
    ),
  ),
  ociDigest: optional(string('Digest of the artifact of a registry that the chart came from.')),
})

const status = object(
  'What was released last, and how it went.',
  {
    ...commonStatusFields,
    helmChart: optional(string('The HelmChart that was made for this release, as <namespace>/<name>.')),
    storageNamespace: optional(string("Namespace of the release's history.", namespaceName)),
    history: optional(array('The last revisions, newest first.', snapshot)),
    inventory: optional(inventory),
    lastAttemptedGeneration: optional(integer('The metadata.generation that was tried last.')),
    lastAttemptedReleaseAction: optional(oneOf('What was tried last.', ['install', 'upgrade'])),
    lastAttemptedReleaseActionDuration: optional(string('How long the last try took.')),
    lastAttemptedRevision: optional(string('The version of the chart that was tried last.')),
    lastAttemptedRevisionDigest: optional(string('Digest of the artifact of a registry that was tried last.')),
    lastAttemptedConfigDigest: optional(string('Checksum of the values that were tried last, as <algorithm>:<hex>.')),
    lastAttemptedValuesChecksum: optional(string('Not used any more; see lastAttemptedConfigDigest.')),
    lastReleaseRevision: optional(wholeNumber('Not used any more; see history.')),
    lastHandledForceAt: optional(
      string('The value of the annotation reconcile.fluxcd.io/forceAt that was last acted upon; a new value asks for a release.'),
    ),
    lastHandledResetAt: optional(
      string('The value of the annotation reconcile.fluxcd.io/resetAt that was last acted upon; a new value forgets failures.'),
    ),
    failures: optional(integer('How many tries failed since the last success or change.')),
    installFailures: optional(integer('How many installs failed since the last success or change.')),
    upgradeFailures: optional(integer('How many upgrades failed since the last success or change.')),
    observedCommonMetadataDigest: optional(string('Checksum of the commonMetadata of the last success.')),
    observedPostRenderersDigest: optional(string('Checksum of the postRenderers of the last success.')),
  },
  { default: freshStatus },
)

export type HelmReleaseSpec = Infer<typeof spec>
export type HelmReleaseStatus = Infer<typeof status>
export type HelmRelease = FluxObject<HelmReleaseSpec, HelmReleaseStatus>
/** One entry of `status.history`. */
export type ReleaseSnapshot = Infer<typeof snapshot>

export const helmReleaseKind = defineKind({
  group: 'helm.toolkit.fluxcd.io',
  version: 'v2',
  kind: 'HelmRelease',
  plural: 'helmreleases',
  shortNames: ['hr'],
  categories: ['all', 'fluxcd', 'fluxcd-appliers'],
  columns: [ageColumn, ...readyColumns],
  description: 'A Helm chart that is installed in the cluster and kept up to date.',
  spec,
  status,
})
