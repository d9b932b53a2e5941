import assert from 'node:assert/strict'
import { job, service, webServer, yaml } from '../manifests.ts'
import type { Step } from '../stage.ts'

const name = 'first-sync'

export const firstSync: Step = {
  title: 'Git becomes Deployments, Services, a Job, a CRD with its custom resource; what Git drops is pruned',
  smoke: true,
  async run(stage) {
    const { kubectl, images } = stage
    const delivery = await stage.deliver(
      name,
      {
        'web.yaml': yaml(webServer('web', images.pods, { text: 'from Git' }), service('web')),
        'api.yaml': yaml(webServer('api', images.pods), service('api')),
        'job.yaml': yaml(job('migrate', images.pods, 'console.log("migrated")')),
        'crd.yaml': yaml(widgets),
        'widget.yaml': yaml(widget),
      },
      { wait: true },
    )
    await delivery.ready()
    // Whatever wait says: as kubectl sees it.
    await kubectl('wait', '--namespace', name, '--for=condition=Available', 'deployment/web', 'deployment/api', '--timeout', '1s')
    await kubectl('wait', '--namespace', name, '--for=condition=Complete', 'job/migrate', '--timeout', '1s')
    assert.equal(await kubectl('get', 'widgets', '--namespace', name, '--output', 'name'), 'widget.e2e.sluice.dev/big\n')
    const proxy = `/api/v1/namespaces/${name}/services/web:80/proxy/`
    assert.equal(await kubectl('get', '--raw', proxy), 'from Git', 'what the Service answers')

    await delivery.push({ 'api.yaml': null, 'widget.yaml': null }, 'Drop the API and the widget')
    await delivery.ready()
    const left = await kubectl('get', 'deployments,services,widgets,jobs', '--namespace', name, '--output', 'name')
    assert.deepEqual(left.trim().split('\n').sort(), ['deployment.apps/web', 'job.batch/migrate', 'service/web'], 'what is left')
    await delivery.remove()
  },
}

const widgets = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.e2e.sluice.dev' },
  spec: {
    group: 'e2e.sluice.dev',
    scope: 'Namespaced',
    names: { kind: 'Widget', plural: 'widgets', singular: 'widget' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: { spec: { type: 'object', properties: { size: { type: 'integer' } } } },
          },
        },
      },
    ],
  },
}

const widget = { apiVersion: 'e2e.sluice.dev/v1', kind: 'Widget', metadata: { name: 'big' }, spec: { size: 7 } }
