import { describe, expect, it } from 'vitest'
import type { KubeObject } from '../../src/api/object.ts'
import { healthOf } from '../../src/kube/health.ts'

const now = Date.parse('2026-01-01T00:01:00Z')

type Case = [string, object, string]

function check(apiVersion: string, kind: string, cases: readonly Case[]): void {
  it.each(cases)(`${kind}: %s`, (_, fields, expected) => {
    const { metadata = {}, ...rest } = fields as { metadata?: object }
    const object = { apiVersion, kind, metadata: { name: 'a', ...metadata }, ...rest } as KubeObject
    expect(healthOf(object, now).status).toBe(expected)
  })
}

const condition = (type: string, status: string, reason = '', message = '') => ({ type, status, reason, message })

describe('what holds for every kind', () => {
  check('example.com/v1', 'Thing', [
    ['without a status is Current', {}, 'Current'],
    ['being deleted is Terminating', { metadata: { deletionTimestamp: 'x' } }, 'Terminating'],
    ['not yet observed is InProgress', { metadata: { generation: 2 }, status: { observedGeneration: 1 } }, 'InProgress'],
    ['Reconciling is InProgress', { status: { conditions: [condition('Reconciling', 'True')] } }, 'InProgress'],
    ['Stalled is Failed', { status: { conditions: [condition('Stalled', 'True')] } }, 'Failed'],
    ['Ready is Current', { status: { conditions: [condition('Ready', 'True')] } }, 'Current'],
    ['not Ready may become so', { status: { conditions: [condition('Ready', 'False', 'Error')] } }, 'InProgress'],
    ['Ready Unknown may become so', { status: { conditions: [condition('Ready', 'Unknown')] } }, 'InProgress'],
    ['conditions of an odd form do not count', { status: { conditions: 'none' } }, 'Current'],
  ])
})

describe('workloads', () => {
  const counts = { replicas: 2, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2 }
  const conditions = [condition('Progressing', 'True', 'NewReplicaSetAvailable'), condition('Available', 'True')]
  const spec = { replicas: 2, progressDeadlineSeconds: 600 }
  check('apps/v1', 'Deployment', [
    ['fresh', { spec }, 'InProgress'],
    ['rolled out', { spec, status: { ...counts, conditions } }, 'Current'],
    ['too few updated', { spec, status: { ...counts, updatedReplicas: 1, conditions } }, 'InProgress'],
    ['too few available', { spec, status: { ...counts, availableReplicas: 1, conditions } }, 'InProgress'],
    ['old pods left', { spec, status: { ...counts, replicas: 3, conditions } }, 'InProgress'],
    ['not Available', { spec, status: { ...counts, conditions: conditions.slice(0, 1) } }, 'InProgress'],
    ['still progressing', { spec, status: { ...counts, conditions: conditions.slice(1) } }, 'InProgress'],
    ['without a deadline', { spec: { replicas: 2 }, status: { ...counts, conditions: conditions.slice(1) } }, 'Current'],
    [
      'past its deadline',
      { spec, status: { conditions: [condition('Progressing', 'False', 'ProgressDeadlineExceeded')] } },
      'Failed',
    ],
    ['scaled to nothing', { spec: { replicas: 0 }, status: { conditions } }, 'Current'],
  ])
  const set = { replicas: 2, readyReplicas: 2, currentReplicas: 2, updatedReplicas: 2, currentRevision: 'a', updateRevision: 'a' }
  const partitioned = { replicas: 2, updateStrategy: { rollingUpdate: { partition: 1 } } }
  check('apps/v1', 'StatefulSet', [
    ['fresh', { spec: { replicas: 2 } }, 'InProgress'],
    ['rolled out', { spec: { replicas: 2 }, status: set }, 'Current'],
    ['on the old revision', { spec: { replicas: 2 }, status: { ...set, updateRevision: 'b' } }, 'InProgress'],
    ['with a partition', { spec: partitioned, status: { ...set, updatedReplicas: 1, updateRevision: 'b' } }, 'Current'],
    ['with a partition not reached', { spec: partitioned, status: { ...set, updatedReplicas: 0 } }, 'InProgress'],
    ['updated when pods are deleted', { spec: { updateStrategy: { type: 'OnDelete' } } }, 'Current'],
  ])
  const daemons = {
    desiredNumberScheduled: 1,
    currentNumberScheduled: 1,
    updatedNumberScheduled: 1,
    numberAvailable: 1,
    numberReady: 1,
  }
  const metadata = { generation: 1 }
  check('apps/v1', 'DaemonSet', [
    ['fresh', { metadata }, 'InProgress'],
    ['never observed', { metadata, status: daemons }, 'InProgress'],
    ['rolled out', { metadata, status: { ...daemons, observedGeneration: 1 } }, 'Current'],
    ['not ready on a node', { metadata, status: { ...daemons, observedGeneration: 1, numberReady: 0 } }, 'InProgress'],
    ['wanted on no node', { metadata, status: { observedGeneration: 1, desiredNumberScheduled: 0 } }, 'Current'],
  ])
  check('apps/v1', 'ReplicaSet', [
    ['rolled out', { status: { fullyLabeledReplicas: 1, availableReplicas: 1, readyReplicas: 1, replicas: 1 } }, 'Current'],
    ['with a failure', { status: { conditions: [condition('ReplicaFailure', 'True')] } }, 'InProgress'],
  ])
})

describe('pods and jobs', () => {
  const waiting = { phase: 'Running', containerStatuses: [{ name: 'c', state: { waiting: { reason: 'CrashLoopBackOff' } } }] }
  const unschedulable = { phase: 'Pending', conditions: [condition('PodScheduled', 'False', 'Unschedulable')] }
  check('v1', 'Pod', [
    ['fresh', {}, 'InProgress'],
    ['succeeded', { status: { phase: 'Succeeded' } }, 'Current'],
    ['failed', { status: { phase: 'Failed' } }, 'Current'],
    ['ready', { status: { phase: 'Running', conditions: [condition('Ready', 'True')] } }, 'Current'],
    ['not ready', { status: { phase: 'Running' } }, 'InProgress'],
    ['crashing again and again', { status: waiting }, 'Failed'],
    ['unschedulable', { metadata: { creationTimestamp: '2026-01-01T00:00:30Z' }, status: unschedulable }, 'Failed'],
    ['unschedulable for seconds', { metadata: { creationTimestamp: '2026-01-01T00:00:50Z' }, status: unschedulable }, 'InProgress'],
  ])
  check('batch/v1', 'Job', [
    ['fresh', {}, 'InProgress'],
    ['running', { status: { startTime: 'x', active: 1 } }, 'InProgress'],
    ['suspended', { spec: { suspend: true } }, 'Current'],
    ['complete', { status: { conditions: [condition('Complete', 'True')] } }, 'Current'],
    ['failed', { status: { conditions: [condition('Failed', 'True')] } }, 'Failed'],
  ])
})

describe('other kinds', () => {
  check('v1', 'PersistentVolumeClaim', [
    ['bound', { status: { phase: 'Bound' } }, 'Current'],
    ['pending', { status: { phase: 'Pending' } }, 'InProgress'],
  ])
  check('v1', 'Service', [
    ['plain', { spec: {} }, 'Current'],
    ['load balancer without an address', { spec: { type: 'LoadBalancer' } }, 'InProgress'],
    ['load balancer', { spec: { type: 'LoadBalancer', clusterIP: '10.0.0.1' } }, 'Current'],
  ])
  check('apiextensions.k8s.io/v1', 'CustomResourceDefinition', [
    ['fresh', {}, 'InProgress'],
    ['established', { status: { conditions: [condition('Established', 'True')] } }, 'Current'],
    ['installing', { status: { conditions: [condition('Established', 'False', 'Installing')] } }, 'InProgress'],
    ['not accepted', { status: { conditions: [condition('NamesAccepted', 'False', 'MultipleNames')] } }, 'Failed'],
  ])
})

it('tells the reason that the object itself gives', () => {
  const status = { conditions: [condition('Ready', 'False', 'BuildFailed', 'no such file')] }
  const object = { apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name: 'a' }, status }
  expect(healthOf(object, now).message).toBe('BuildFailed: no such file')
})
