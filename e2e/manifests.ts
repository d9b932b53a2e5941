/** Manifests that several steps deliver. */

/** A Deployment of the pods' web server that becomes ready after some seconds. */
export function webServer(name: string, image: string, { readyAfterSeconds = 0, text = 'hello' } = {}): object {
  const labels = { app: name }
  const container = {
    name: 'web',
    image,
    command: ['node', 'e2e/pods/web.ts'],
    env: [
      { name: 'READY_AFTER_SECONDS', value: String(readyAfterSeconds) },
      { name: 'TEXT', value: text },
    ],
    ports: [{ containerPort: 8080 }],
    readinessProbe: { httpGet: { port: 8080, path: '/' }, periodSeconds: 1 },
  }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { enableServiceLinks: false, containers: [container] } },
    },
  }
}

export function service(name: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 8080 }] },
  }
}

/** Runs `node --eval` once. */
export function job(name: string, image: string, script: string, metadata: object = {}): object {
  const container = { name: 'job', image, command: ['node', '--eval', script] }
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, ...metadata },
    spec: { backoffLimit: 0, template: { spec: { restartPolicy: 'Never', enableServiceLinks: false, containers: [container] } } },
  }
}

export function configMap(name: string, data: Readonly<Record<string, string>>): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data }
}

/** Several manifests as one YAML file (which takes JSON). */
export function yaml(...objects: readonly object[]): string {
  return objects.map((object) => JSON.stringify(object)).join('\n---\n')
}
