/** Fields that the kinds which apply objects have in common. */
import { localReference } from './meta.ts'
import { array, type Infer, map, object, oneOf, optional, string } from './schema.ts'

/** Which objects a patch or an ignore rule is about; empty fields select everything. */
export function selector(description: string) {
  return object(description, {
    group: optional(string('A regular expression for the whole API group.')),
    version: optional(string('A regular expression for the whole API version.')),
    kind: optional(string('A regular expression for the whole kind.')),
    name: optional(string('A regular expression for the whole name.')),
    namespace: optional(string('A regular expression for the whole namespace.')),
    annotationSelector: optional(string('A selector in the syntax of label selectors, matched with the annotations.')),
    labelSelector: optional(string('A label selector.')),
  })
}

export const patch = object('A change to built objects.', {
  patch: string('A strategic merge patch, or a JSON patch (RFC 6902), as YAML or JSON.'),
  target: optional(selector('Which objects it changes; when empty, the one that a strategic merge patch names.')),
})

export const image = object('A container image to replace.', {
  name: string('The image as manifests name it, without tag and digest.'),
  newName: optional(string('What to put in place of the name.')),
  newTag: optional(string('What to put in place of the tag.')),
  digest: optional(string('A digest to put in place of the tag; wins over newTag.')),
})

export const commonMetadata = object('Labels and annotations that every object gets; they win over those in the manifests.', {
  labels: optional(map('Labels to add.', string('Value of the label.'))),
  annotations: optional(map('Annotations to add.', string('Value of the annotation.'))),
})

export const kubeConfig = object(
  'The cluster to apply to, when it is not this one. A serviceAccountName is then impersonated there.',
  {
    secretRef: optional(
      object('Secret with a kubeconfig.', {
        name: string('Name of the Secret.'),
        key: optional(string('The entry with the kubeconfig; value, or else value.yaml, when empty.')),
      }),
    ),
    configMapRef: optional(
      localReference(
        'ConfigMap that says how to reach the cluster without a stored credential: provider (aws, azure, gcp or generic) and, as the provider needs them, cluster, address, ca.crt, audiences, serviceAccountName.',
      ),
    ),
  },
  {
    rules: [
      {
        rule: 'has(self.configMapRef) || has(self.secretRef)',
        message: 'exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be specified',
      },
      {
        rule: '!has(self.configMapRef) || !has(self.secretRef)',
        message: 'exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be specified',
      },
    ],
  },
)

/** Just one of both is there. */
export type KubeConfig = Infer<typeof kubeConfig>

export const healthCheckExpression = object('How the health of a custom resource is told, in CEL.', {
  apiVersion: string('API version of the custom resource.'),
  kind: optional(string('Its kind; every kind of the group when empty.')),
  current: string('True when the object is as it should be.'),
  inProgress: optional(string('True while the object is on its way; looked at first.')),
  failed: optional(string('True when the object will not get there; looked at before current.')),
})

export const ignoreRule = object('Fields that others may set without being corrected.', {
  paths: array('The fields, as JSON pointers (RFC 6901).', string('A JSON pointer.')),
  target: optional(selector('The objects that it is about; all when empty.')),
})

export const inventory = object('The objects that were applied.', {
  entries: array(
    'One entry for each object.',
    object('An object of the cluster.', {
      id: string('Namespace, name, group and kind, joined by underscores.'),
      v: string('API version within the group.'),
    }),
  ),
})

/** Which tool signed something, and with which keys. */
export const signature = {
  provider: oneOf('The tool that it was signed with.', ['cosign', 'notation'], { default: 'cosign' }),
  secretRef: optional(
    localReference('Secret with the public keys of trusted authors; without it, keyless signatures are checked.'),
  ),
}

/** Whose keyless signatures count. */
export const signers = optional(
  array(
    'Whose keyless signatures are accepted: one of these must match.',
    object('An identity.', {
      issuer: string('A regular expression for the issuer of the identity.'),
      subject: string('A regular expression for the subject.'),
    }),
  ),
)
