/** The overlay that the benchmark of builds measures. */

/** Path → text of a base of so many objects and an overlay with patches, labels and a prefix in `over`. */
export function overlayFiles(objects: number): Map<string, string> {
  const apps = Math.ceil(objects / 5)
  const all = Array.from({ length: apps }, (_, i) => appObjects(`app-${i}`)).flat()
  return new Map([
    ['base/kustomization.yaml', `resources:\n${Array.from({ length: apps }, (_, i) => `- app-${i}.yaml\n`).join('')}`],
    ...Array.from({ length: apps }, (_, i): [string, string] => [
      `base/app-${i}.yaml`,
      all.slice(i * 5, Math.min(i * 5 + 5, objects)).join('---\n'),
    ]),
    ['over/kustomization.yaml', OVERLAY],
  ])
}

const OVERLAY = `resources:
- ../base
namePrefix: prod-
namespace: shop
labels:
- pairs: {environment: production}
  includeSelectors: true
images:
- {name: registry.example.com/app, newTag: "2.1"}
patches:
- target: {kind: Deployment}
  patch: |
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: any}
    spec:
      template:
        spec:
          containers:
          - name: app
            resources: {limits: {memory: 256Mi}}
- target: {kind: Service}
  patch: '[{"op": "add", "path": "/spec/type", "value": "ClusterIP"}]'
- patch: |
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: app-7}
    spec: {replicas: 5}
`

function appObjects(name: string): string[] {
  return [
    `apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${name}
  labels: {app: ${name}}
spec:
  replicas: 2
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata:
      labels: {app: ${name}}
    spec:
      serviceAccountName: ${name}
      containers:
      - name: app
        image: registry.example.com/app:1.0
        ports:
        - containerPort: 8080
        envFrom:
        - configMapRef: {name: ${name}}
        - secretRef: {name: ${name}}
        readinessProbe:
          httpGet: {path: /healthz, port: 8080}
`,
    `apiVersion: v1
kind: Service
metadata:
  name: ${name}
spec:
  selector: {app: ${name}}
  ports:
  - {name: http, port: 80, targetPort: 8080}
`,
    `apiVersion: v1
kind: ConfigMap
metadata:
  name: ${name}
data:
  LOG_LEVEL: info
  settings.yaml: |
    name: ${name}
    feature: true
`,
    `apiVersion: v1
kind: Secret
metadata:
  name: ${name}
stringData:
  token: not-a-secret
`,
    `apiVersion: v1
kind: ServiceAccount
metadata:
  name: ${name}
`,
  ]
}
