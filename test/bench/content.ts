/** What the benchmark syncs: small applications of eight objects each, and a chain of dependencies. */
import { namespace } from './cluster.ts'

/** `app-007`. */
export function appName(index: number): string {
  return `app-${String(index).padStart(3, '0')}`
}

/** `chain-07`. */
export function linkName(index: number): string {
  return `chain-${String(index).padStart(2, '0')}`
}

/** The whole repository. */
export function repositoryFiles({ apps, chain }: { apps: number; chain: number }): Record<string, string> {
  const files: Record<string, string> = {}
  for (let index = 0; index < apps; index++) {
    const name = appName(index)
    files[`apps/${name}/kustomization.yaml`] = kustomizationFile(name)
    files[`apps/${name}/app.yaml`] = objectsOf(name)
      .map((object) => `${JSON.stringify(object, undefined, 2)}\n`)
      .join('---\n')
    files[`apps/${name}/settings.yaml`] = settingsOf(name, 'first')
  }
  for (let index = 0; index < chain; index++) {
    files[`chain/${linkName(index)}/link.yaml`] = settingsOf(linkName(index), 'first')
  }
  return files
}

/** The ConfigMap that a commit changes. */
export function settingsOf(name: string, text: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}-settings\n  namespace: ${namespace}\ndata:\n  text: ${text}\n`
}

export function gitRepository(url: string): object {
  return {
    apiVersion: 'source.toolkit.fluxcd.io/v1',
    kind: 'GitRepository',
    metadata: { name: 'bench', namespace },
    spec: { url, ref: { branch: 'main' }, interval: '10m' },
  }
}

export function kustomization(name: string, path: string, spec: object = {}): object {
  return {
    apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
    kind: 'Kustomization',
    metadata: { name, namespace },
    spec: { sourceRef: { kind: 'GitRepository', name: 'bench' }, path, prune: true, interval: '10m', ...spec },
  }
}

function kustomizationFile(name: string): string {
  return `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: ${namespace}
resources:
  - app.yaml
  - settings.yaml
labels:
  - pairs:
      app.kubernetes.io/name: ${name}
images:
  - name: registry.example/app
    newTag: 1.2.3
`
}

/** Seven objects; the settings are the eighth. */
function objectsOf(name: string): object[] {
  const metadata = { name }
  const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list', 'watch'] }]
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata, rules },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace }],
    },
    { apiVersion: 'v1', kind: 'Secret', metadata, stringData: { password: `not-a-secret-of-${name}` } },
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: { app: name }, ports: [{ name: 'http', port: 80 }] } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas: 2,
        selector: { matchLabels: { app: name } },
        template: {
          metadata: { labels: { app: name } },
          spec: {
            serviceAccountName: name,
            containers: [
              {
                name: 'app',
                image: 'registry.example/app',
                ports: [{ name: 'http', containerPort: 8080 }],
                envFrom: [{ configMapRef: { name: `${name}-settings` } }],
                resources: { requests: { cpu: '100m', memory: '64Mi' } },
              },
            ],
          },
        },
      },
    },
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata,
      spec: { podSelector: { matchLabels: { app: name } }, ingress: [{ ports: [{ port: 8080 }] }] },
    },
  ]
}
