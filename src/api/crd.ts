/** The CustomResourceDefinition of a kind. */
import type { KindDefinition } from './kind.ts'
import type { KubeObject } from './object.ts'

/** Keeps a Kustomization that delivers the CRD from replacing `${…}` in it. Source: annotation of Flux's own CRDs. */
const noSubstitution = { 'kustomize.toolkit.fluxcd.io/substitute': 'disabled' }

/** Renders the CRD that makes an API server serve the kind. */
export function customResourceDefinition(kind: KindDefinition): KubeObject {
  const { plural, singular, listKind, shortNames, categories } = kind
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${kind.group}`, annotations: noSubstitution },
    spec: {
      group: kind.group,
      // An empty list is not stored: whoever applies it again would see a change.
      names: { kind: kind.kind, listKind, plural, singular, ...(shortNames.length > 0 && { shortNames }), categories },
      scope: 'Namespaced',
      versions: [version(kind)],
    },
  }
}

function version(kind: KindDefinition) {
  return {
    name: kind.version,
    served: true,
    storage: true,
    subresources: kind.status ? { status: {} } : {},
    additionalPrinterColumns: kind.columns,
    schema: {
      openAPIV3Schema: {
        type: 'object',
        description: kind.description,
        properties: {
          apiVersion: { type: 'string', description: 'Group and version of the schema of this object.' },
          kind: { type: 'string', description: 'Kind of this object.' },
          metadata: { type: 'object' },
          spec: kind.spec.json,
          ...(kind.status && { status: kind.status.json }),
        },
      },
    },
  }
}
