import { describe, expect, it } from 'vitest'
import type { KubeObject } from '../../src/api/object.ts'
import { podCause } from '../../src/kube/pod-cause.ts'

function pod(status: object): KubeObject {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web-1', namespace: 'apps' }, status } as KubeObject
}

const crashing = {
  name: 'app',
  ready: false,
  restartCount: 3,
  state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 40s restarting failed container=app pod=web-1' } },
  lastState: { terminated: { exitCode: 1, reason: 'Error', message: 'password hunter2 refused' } },
}

describe('why a pod is not ready', () => {
  it('says with which code a crash-looping container ends, and nothing of what it wrote', () => {
    expect(podCause(pod({ phase: 'Running', containerStatuses: [crashing] }))).toBe(
      'container app: CrashLoopBackOff, exit code 1 (Error), restarted 3 times',
    )
  })

  it('says what an image or a configuration lacks', () => {
    const waiting = (reason: string, message: string) =>
      pod({ containerStatuses: [{ name: 'app', state: { waiting: { reason, message } } }] })
    expect(podCause(waiting('CreateContainerConfigError', 'secret "keys" not found'))).toBe(
      'container app: CreateContainerConfigError: secret "keys" not found',
    )
    expect(podCause(waiting('ErrImagePull', `failed to pull\nimage: ${'x'.repeat(500)}`))).toHaveLength(
      'container app: '.length + 201,
    )
  })

  it('names the init container that fails', () => {
    const init = { name: 'migrate', restartCount: 1, state: { terminated: { exitCode: 2, reason: 'Error' } } }
    const app = { name: 'app', ready: false, state: { waiting: { reason: 'PodInitializing' } } }
    expect(podCause(pod({ initContainerStatuses: [init], containerStatuses: [app] }))).toBe(
      'container migrate: exit code 2 (Error)',
    )
  })

  it('says why no node takes it, and why it was evicted', () => {
    const unscheduled = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes are available' }
    expect(podCause(pod({ phase: 'Pending', conditions: [unscheduled] }))).toBe('Unschedulable: 0/3 nodes are available')
    expect(podCause(pod({ phase: 'Failed', reason: 'Evicted', message: 'The node was low on memory' }))).toBe(
      'Evicted: The node was low on memory',
    )
  })

  it('tells a container that runs without being ready', () => {
    const running = { name: 'app', ready: false, state: { running: { startedAt: '2026-01-01T00:00:00Z' } } }
    expect(podCause(pod({ phase: 'Running', containerStatuses: [running] }))).toBe('container app: running, but not ready')
  })

  it('has nothing to say of a pod that is ready, starts, or is done', () => {
    const ready = [{ type: 'Ready', status: 'True' }]
    expect(podCause(pod({ conditions: ready, containerStatuses: [crashing] }))).toBe('')
    expect(podCause(pod({ containerStatuses: [{ name: 'app', state: { waiting: { reason: 'ContainerCreating' } } }] }))).toBe('')
    expect(podCause(pod({ phase: 'Succeeded', containerStatuses: [{ name: 'a', state: { terminated: { exitCode: 0 } } }] }))).toBe(
      '',
    )
    expect(podCause(pod({}))).toBe('')
  })
})
