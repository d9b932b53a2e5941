import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { expect, inject, it } from 'vitest'
import { startControlPlane } from './control-plane.ts'
import { kubectlOf } from './kubectl.ts'

it('shares one control plane between the test files of a run', async () => {
  const namespaces = await kubectlOf(inject('kubeconfig'))('get', 'namespaces', '-o', 'name')
  expect(namespaces).toContain('namespace/default')
})

it('keeps its data and its address when the API server is killed and started again', async () => {
  await using controlPlane = await startControlPlane({ log: () => {} })
  const { kubectl } = controlPlane
  await kubectl('create', 'configmap', 'kept', '--from-literal', 'a=b')
  await controlPlane.killApiServer()
  await expect(kubectl('get', 'configmap', 'kept')).rejects.toThrow(/refused/)
  await controlPlane.startApiServer()
  expect(await kubectl.json('get', 'configmap', 'kept')).toMatchObject({ data: { a: 'b' } })
})

it('gives other tokens no more than their rights', async () => {
  await using controlPlane = await startControlPlane({ log: () => {} })
  await controlPlane.kubectl('create', 'serviceaccount', 'guest')
  const token = (await controlPlane.kubectl('create', 'token', 'guest')).trim()
  const guest = kubectlOf(await controlPlane.kubeconfigFor(token))
  await expect(guest('get', 'secrets')).rejects.toThrow(/forbidden.*"system:serviceaccount:default:guest"|guest.*cannot/)
})

it('leaves no process and no folder when its parent is killed', async () => {
  const script = `
    import { startControlPlane } from '${import.meta.dirname}/control-plane.ts'
    const controlPlane = await startControlPlane({ log: () => {} })
    process.stdout.write(controlPlane.directory, () => process.kill(process.pid, 'SIGKILL'))`
  let directory = ''
  try {
    execFileSync(process.execPath, ['--input-type=module-typescript', '-e', script], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  } catch (error) {
    if (error instanceof Error && 'stdout' in error) directory = String(error.stdout)
  }
  expect(directory).toContain('control-plane-')
  await expect.poll(() => existsSync(directory), { timeout: 10_000 }).toBe(false)
  expect(await commandLines()).not.toContainEqual(expect.stringContaining(directory))
})

async function commandLines(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  return Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => 'ended meanwhile')))
}
