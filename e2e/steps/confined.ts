import assert from 'node:assert/strict'
import { sluicePod } from '../pod.ts'
import { fluxNamespace, type Stage, type Step } from '../stage.ts'

/** What the kernel says of process 1 of the container, which is Sluice. */
const status = 'console.log(fs.readFileSync("/proc/1/status", "utf8"))'
/** Tries to write where the program is, where programs are, and where it may. */
const write = `const attempt = (folder) => {
  try { fs.writeFileSync(folder + "/e2e", "x"); fs.unlinkSync(folder + "/e2e"); return "written" } catch (error) { return error.code }
}
console.log(["/", "/app", "/usr/local/bin", "/data", "/tmp"].map(attempt).join(" "))`
const shells = ['sh', 'bash', 'busybox']

export const confined: Step = {
  title: "UC-23 SEC-12 Sluice's process is nobody, can become nobody else, and writes to its two volumes only",
  async run(stage) {
    const kernel = new Map((await inPod(stage, status)).split('\n').map((line) => line.split(':\t') as [string, string]))
    assert.equal(kernel.get('Uid'), '65532\t65532\t65532\t65532', 'user')
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) assert.match(kernel.get(set) ?? '', /^0+$/, set)
    assert.equal(kernel.get('NoNewPrivs'), '1', 'whether privileges cannot be gained')
    assert.equal(kernel.get('Seccomp'), '2', 'whether system calls are filtered')
    assert.equal(await inPod(stage, write), 'EROFS EROFS EROFS written written')
    for (const shell of shells)
      await assert.rejects(exec(stage, shell, '-c', 'true'), /executable file not found|no such file/, `there is a ${shell}`)
  },
}

async function inPod(stage: Stage, script: string): Promise<string> {
  return (await exec(stage, 'node', '--eval', script)).trim()
}

async function exec(stage: Stage, ...command: string[]): Promise<string> {
  const { metadata } = await sluicePod(stage)
  return stage.kubectl('exec', '--namespace', fluxNamespace, metadata.name, '--', ...command)
}
