/** The programs of the system that the local node and its images are made with; installed where they are missing and apt can. */
import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { run } from '../../test/tools/processes.ts'

/** What is needed, by the Debian package that has it, and why. */
const packages = new Map([
  ['containerd', { program: 'containerd', why: 'runs the containers of pods' }],
  ['runc', { program: 'runc', why: 'starts one container' }],
  ['containernetworking-plugins', { program: '/usr/lib/cni/bridge', why: 'gives pods their addresses' }],
  ['iptables', { program: 'iptables', why: 'carries out what Services say' }],
  ['iproute2', { program: 'ip', why: 'joins the node to the host' }],
  ['openssl', { program: 'openssl', why: 'makes the certificates' }],
  ['buildah', { program: 'buildah', why: 'builds images without a daemon' }],
  ['mmdebstrap', { program: 'mmdebstrap', why: 'makes the root file system that images begin with' }],
] as const)

export type Package = typeof packages extends ReadonlyMap<infer Name, unknown> ? Name : never

/**
 * Makes sure of the programs of these packages: installs what is missing with apt-get, and says which and why.
 * @throws Error with the command to run where that does not work.
 */
export async function providePackages(names: readonly Package[], say: (line: string) => void): Promise<void> {
  const missing: Package[] = []
  for (const name of names) {
    const wanted = packages.get(name)
    if (!wanted || (await hasProgram(wanted.program))) continue
    say(`missing: ${wanted.program} (Debian package ${name}), which ${wanted.why}`)
    missing.push(name)
  }
  if (missing.length === 0) return
  const install = ['install', '--yes', '--no-install-recommends', ...missing]
  say(`apt-get ${install.join(' ')}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  try {
    await run('apt-get', ['update', '--quiet'], { env })
    await run('apt-get', install, { env })
  } catch (error) {
    throw new Error(`cannot install ${missing.join(', ')}: run "apt-get ${install.join(' ')}" as root on Debian`, { cause: error })
  }
}

/** Whether there is such a program: a path, or a name in `$PATH`. */
export async function hasProgram(program: string): Promise<boolean> {
  const folders = program.includes('/') ? [''] : (process.env.PATH ?? '').split(delimiter)
  for (const folder of folders) {
    const found = await access(join(folder, program), constants.X_OK).then(
      () => true,
      () => false,
    )
    if (found) return true
  }
  return false
}
