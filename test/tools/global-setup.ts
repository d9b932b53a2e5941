/**
 * One control plane for all cluster tests of a run: `const kubeconfig = inject('kubeconfig')`. Each test file takes a namespace of
 * its own. It is not started where none of the files to be run asks for it.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { TestProject } from 'vitest/node'
import { messageOf } from '../../src/lib/errors.ts'
import { startControlPlane } from './control-plane.ts'
import { installCrds } from './crds.ts'
import { findTools, type Tool } from './tools.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Path of the kubeconfig of the shared control plane. */
    kubeconfig: string
  }
}

/** What tests run. A build takes minutes: when all tests are run, none of it may fall into the time of a test. */
const tools: readonly Tool[] = [
  'etcd',
  'kube-apiserver',
  'kubectl',
  'kube-controller-manager',
  'kustomize',
  'helm',
  'helm3',
  'helm-oracle',
  'flux',
  'nats-server',
  'registry',
  'prometheus',
  'promtool',
  'kube-state-metrics',
  'source-controller',
  'kustomize-controller',
]

export async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  // Where one cannot be had, the tests that need it say so.
  if (filtersOf(project.vitest).length === 0) await findTools(tools).catch((error: unknown) => console.error(messageOf(error)))
  if (!(await isAskedFor(project))) return undefined
  await using stack = new AsyncDisposableStack()
  const controlPlane = stack.use(await startControlPlane())
  await installCrds(controlPlane.kubectl)
  project.provide('kubeconfig', controlPlane.kubeconfig)
  const running = stack.move()
  return () => running.disposeAsync()
}

async function isAskedFor(project: TestProject): Promise<boolean> {
  const { testFiles } = await project.globTestFiles(filtersOf(project.vitest))
  const texts = await Promise.all(testFiles.filter((file) => existsSync(file)).map((file) => readFile(file, 'utf8')))
  return texts.some((text) => text.includes("inject('kubeconfig')"))
}

/** What the command line asked to run. Not part of vitest's types: where it is not there, all files count. */
function filtersOf(vitest: object): string[] {
  const filters = 'filenamePattern' in vitest ? vitest.filenamePattern : undefined
  return Array.isArray(filters) ? filters.map(String) : []
}
