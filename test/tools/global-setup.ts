/**
 * One control plane for all cluster tests of a run: `const kubeconfig = inject('kubeconfig')`. Each test file takes a namespace of
 * its own. It is not started where none of the files to be run asks for it.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { TestProject } from 'vitest/node'
import { startControlPlane } from './control-plane.ts'
import { installCrds } from './crds.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Path of the kubeconfig of the shared control plane. */
    kubeconfig: string
  }
}

export async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
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
