import { describe, expect, it } from 'vitest'
import type { KubeObject } from '../../src/api/object.ts'
import { desiredObject } from '../../src/kube/normalize.ts'

const labels = { owner: 'me' }
const normalized = (object: object, namespaced = true) => desiredObject(object as KubeObject, { namespaced, labels })

describe('desiredObject', () => {
  it('sets the owner labels over the own ones and changes nothing of what it was given', () => {
    const object = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'a', namespace: 'b', labels: { owner: 'other', x: 'y' } },
    }
    const before = structuredClone(object)
    expect(normalized(object).metadata).toEqual({ name: 'a', namespace: 'b', labels: { owner: 'me', x: 'y' } })
    expect(object).toEqual(before)
  })

  it('drops the namespace of a cluster-scoped object, the creation timestamp, the status, and what kubectl left in an export', () => {
    const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': '{}', note: 'mine' }
    const object = {
      ...{ apiVersion: 'v1', kind: 'Namespace', status: { phase: 'Active' } },
      metadata: { name: 'a', namespace: 'b', creationTimestamp: null, annotations, labels: null },
    }
    expect(normalized(object, false)).toEqual({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'a', labels, annotations: { note: 'mine' } },
    })
  })

  it('keeps the status of a CRD', () => {
    const crd = {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'a' },
      status: { conditions: [] },
    }
    expect(normalized(crd, false).status).toEqual({ conditions: [] })
  })

  it('removes the CA bundle of a CRD when it is no certificate', () => {
    const crd = (caBundle: string) => ({
      ...{ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: 'a' } },
      spec: { conversion: { webhook: { clientConfig: { caBundle, url: 'u' } } } },
    })
    expect(normalized(crd('Cg=='), false).spec).toEqual({ conversion: { webhook: { clientConfig: { url: 'u' } } } })
  })

  it('turns stringData into data', () => {
    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'a' },
      data: { a: 'MQ==', b: 'Mg==' },
      stringData: { b: 'drei ä' },
    }
    const result = normalized(secret)
    expect(result.data).toEqual({ a: 'MQ==', b: Buffer.from('drei ä').toString('base64') })
    expect(result).not.toHaveProperty('stringData')
  })

  it('drops nothing of a Secret whose data is no map: it is for the API server to refuse', () => {
    const secret = (data: unknown) => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'a' }, data, stringData: { b: 'c' } })
    for (const data of [['MQ=='], 'MQ==', 1]) expect(normalized(secret(data))).toMatchObject({ data, stringData: { b: 'c' } })
    expect(normalized(secret(null)).data).toEqual({ b: 'Yw==' })
  })

  it('gives ports without a protocol TCP, in services and wherever pods are described', () => {
    const ports = [{ containerPort: 1 }, { containerPort: 2, protocol: 'UDP' }]
    const expected = [{ containerPort: 1, protocol: 'TCP' }, ports[1]]
    const pod = { containers: [{ name: 'a', ports }, { name: 'b' }], restartPolicy: 'Never' }
    const expectedPod = { containers: [{ name: 'a', ports: expected }, { name: 'b' }], restartPolicy: 'Never' }
    const metadata = { name: 'a' }
    expect(normalized({ apiVersion: 'v1', kind: 'Pod', metadata, spec: pod }).spec).toEqual(expectedPod)
    expect(normalized({ apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: { template: { spec: pod } } }).spec).toEqual({
      template: { spec: expectedPod },
    })
    const cron = { apiVersion: 'batch/v1', kind: 'CronJob', metadata, spec: { jobTemplate: { spec: { template: { spec: pod } } } } }
    expect(normalized(cron).spec).toEqual({ jobTemplate: { spec: { template: { spec: expectedPod } } } })
    expect(normalized({ apiVersion: 'v1', kind: 'Service', metadata, spec: { ports: [{ port: 1 }] } }).spec).toEqual({
      ports: [{ port: 1, protocol: 'TCP' }],
    })
  })

  it('leaves to the API server what is not of the expected form', () => {
    const odd = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'a' }, spec: { ports: 'none' } }
    expect(normalized(odd).spec).toEqual({ ports: 'none' })
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'a' }, stringData: { a: 1 } }
    expect(normalized(secret).stringData).toEqual({ a: 1 })
  })
})
