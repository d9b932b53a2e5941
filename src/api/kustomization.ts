/** Kustomization: manifests of a source, built and kept in the cluster. */
import { commonMetadata, healthCheckExpression, ignoreRule, image, inventory, kubeConfig, patch } from './fragments.ts'
import { ageColumn, defineKind, readyColumns } from './kind.ts'
import { commonStatusFields, type FluxObject, freshStatus, localReference } from './meta.ts'
import { array, boolean, duration, type Infer, integer, map, object, oneOf, optional, string, time } from './schema.ts'

const sourceReference = object('Where the manifests come from.', {
  apiVersion: optional(string('API version of the source.')),
  kind: oneOf('Kind of the source.', ['OCIRepository', 'GitRepository', 'Bucket', 'ExternalArtifact']),
  name: string('Name of the source.'),
  namespace: optional(string('Namespace of the source; that of the Kustomization when empty.')),
})

const dependency = object('A Kustomization that has to be ready first.', {
  name: string('Name of the Kustomization.'),
  namespace: optional(string('Its namespace; that of this Kustomization when empty.')),
  readyExpr: optional(
    string(
      'A CEL expression over self and dep that says whether the dependency is ready, in place of the built-in check (with the feature gate AdditiveCELDependencyCheck: besides it).',
    ),
  ),
})

const substituteReference = object('A ConfigMap or Secret with variables.', {
  kind: oneOf('Secret or ConfigMap.', ['Secret', 'ConfigMap']),
  name: string('Its name, in the namespace of the Kustomization.', { minLength: 1, maxLength: 253 }),
  optional: optional(boolean('Whether it may be missing; it then counts as empty.', { default: false })),
})

const postBuild = object('What is done to the manifests after they were built.', {
  substitute: optional(map('Variables and their values; they win over those of substituteFrom.', string('Value of the variable.'))),
  substituteFrom: optional(array('Where further variables come from; later entries win.', substituteReference)),
  substituteStrategy: optional(
    oneOf(
      'When variables are replaced: only if at least one variable is defined (WithVariables, the default), or in any case (Always).',
      ['WithVariables', 'Always'],
    ),
  ),
})

const decryption = object('How encrypted Secrets in the source are decrypted.', {
  provider: oneOf('What they were encrypted with.', ['sops']),
  secretRef: optional(
    localReference('Secret with private keys or cloud credentials; these win over the identity of serviceAccountName.'),
  ),
  serviceAccountName: optional(string("ServiceAccount whose identity is used with a cloud's key service.")),
})

const healthCheck = object('An object whose health is waited for.', {
  apiVersion: optional(string('Its API version; the one that the cluster prefers when empty.')),
  kind: string('Its kind.'),
  name: string('Its name.'),
  namespace: optional(string('Its namespace.')),
})

const spec = object('What is built from the source, and how it is kept in the cluster.', {
  sourceRef: sourceReference,
  path: optional(string('The directory in the source to build; its root when empty.')),
  interval: duration('How often the cluster is compared with the source; subject to jitter.'),
  retryInterval: optional(duration('How long to wait after a failure; as interval when empty.')),
  timeout: optional(duration('How long health checks and terminations may take; as interval when empty.')),
  prune: boolean('Whether objects that are no longer in the source are deleted.'),
  deletionPolicy: optional(
    oneOf(
      'What becomes of the objects when the Kustomization is deleted: as prune says (MirrorPrune, the default), deleted, deleted and waited for, or left alone.',
      ['MirrorPrune', 'Delete', 'WaitForTermination', 'Orphan'],
    ),
  ),
  force: optional(
    boolean('Whether an object is created anew when a field that cannot be changed has changed.', { default: false }),
  ),
  wait: optional(boolean('Whether the health of all applied objects is waited for, in place of healthChecks.')),
  healthChecks: optional(array('Objects whose health is waited for.', healthCheck)),
  healthCheckExprs: optional(
    array('How the health of custom resources is told; for wait and healthChecks.', healthCheckExpression),
  ),
  dependsOn: optional(array('Kustomizations that have to be ready first.', dependency)),
  targetNamespace: optional(string('The namespace of all objects, whatever the manifests say.', { minLength: 1, maxLength: 63 })),
  namePrefix: optional(string('What is put before the names of all objects.', { minLength: 1, maxLength: 200 })),
  nameSuffix: optional(string('What is put after the names of all objects.', { minLength: 1, maxLength: 200 })),
  commonMetadata: optional(commonMetadata),
  components: optional(array('Kustomize components to build with, by relative path.', string('Path of a component.'))),
  ignoreMissingComponents: optional(
    boolean('Whether components that the source does not have are left out instead of being an error.'),
  ),
  patches: optional(array('Changes to the built objects.', patch)),
  images: optional(array('Container images to replace.', image)),
  buildMetadata: optional(
    array(
      'What the build records in annotations of the objects: where each comes from, and which transformers changed it.',
      oneOf('One sort of record.', ['originAnnotations', 'transformerAnnotations']),
    ),
  ),
  postBuild: optional(postBuild),
  decryption: optional(decryption),
  kubeConfig: optional(kubeConfig),
  serviceAccountName: optional(string('ServiceAccount of the same namespace whose rights are used to apply.')),
  ignore: optional(array('Changes of others that are not corrected.', ignoreRule)),
  suspend: optional(boolean('Whether all work on this object is put off; a run that is under way is finished.')),
})

const snapshot = object('Runs that applied the same manifests with the same result.', {
  digest: string('Checksum of the manifests, as <algorithm>:<hex>.'),
  firstReconciled: time('When they were applied first.'),
  lastReconciled: time('When they were applied last.'),
  lastReconciledDuration: string('How long the last run took.'),
  lastReconciledStatus: string('How the last run ended: the reason of its Ready condition.'),
  totalReconciliations: integer('The number of runs.'),
  metadata: optional(map('Further facts, such as the revision.', string('The value of the fact.'))),
})

const status = object(
  'What was applied last, and how it went.',
  {
    ...commonStatusFields,
    lastAppliedRevision: optional(string('Revision of the source that was applied last with success.')),
    lastAttemptedRevision: optional(string('Revision of the source that was tried last.')),
    lastAppliedOriginRevision: optional(
      string(
        "Revision of what the applied artifact was itself made from, where the source tells (an OCI image's org.opencontainers.image.revision).",
      ),
    ),
    inventory: optional(inventory),
    history: optional(array('The last runs, newest first.', snapshot)),
  },
  { default: freshStatus },
)

export type KustomizationSpec = Infer<typeof spec>
export type KustomizationStatus = Infer<typeof status>
export type Kustomization = FluxObject<KustomizationSpec, KustomizationStatus>
/** One entry of `status.history`. */
export type Snapshot = Infer<typeof snapshot>

export const kustomizationKind = defineKind({
  group: 'kustomize.toolkit.fluxcd.io',
  version: 'v1',
  kind: 'Kustomization',
  plural: 'kustomizations',
  shortNames: ['ks'],
  categories: ['all', 'fluxcd', 'fluxcd-appliers'],
  columns: [ageColumn, ...readyColumns],
  description: 'Manifests that are built from a source and kept in the cluster.',
  spec,
  status,
})
