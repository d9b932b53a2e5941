/** Child processes and temporary folders that never outlive this process, however it ends. */
import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Starts a process in a group of its own, so that Ctrl-C in the terminal reaches only us and we decide when it ends. The group
 * is killed when this process ends, even by SIGKILL.
 */
export function startProcess(command: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
  const child = spawn(command, args, { stdio: 'ignore', ...options, detached: true })
  const { pid } = child
  if (pid === undefined) return child // the `error` event says why
  guard().add(pid)
  child.once('exit', () => guard().delete(pid))
  return child
}

/** Kills a process and its group, and waits until it is gone. */
export async function kill(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.pid === undefined || hasExited(child)) return
  const exited = once(child, 'exit')
  signalGroup(child.pid, signal)
  await exited
}

export function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

/** A new folder below the system's temporary folder; removed when this process ends, even by SIGKILL. */
export async function temporaryDirectory(name: string): Promise<string> {
  const path = join(guard().directory, `${name}-${++directories}`)
  await mkdir(path, { recursive: true })
  return path
}

let directories = 0

/** Runs a command to its end and returns its standard output; rejects with its standard error. */
export function run(
  command: string,
  args: readonly string[],
  options: { readonly input?: string | Uint8Array; readonly env?: NodeJS.ProcessEnv; readonly cwd?: string } = {},
): Promise<string> {
  const { input, ...rest } = options
  return new Promise((resolve, reject) => {
    const child = execFile(command, args, { ...rest, maxBuffer: 256 << 20 }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout)
      const said = stderr.trim() || stdout.trim() || error.message
      reject(new Error(`${command.split('/').at(-1)} ${args.join(' ')}: ${said}`, { cause: error }))
    })
    child.stdin?.on('error', () => {}) // EPIPE: the command ended without reading; its exit code tells
    child.stdin?.end(input)
  })
}

/**
 * A free port on loopback below the range that the kernel gives to outgoing connections, so that it stays free while
 * its server is down.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    if (await isFree(port)) return port
  }
  throw new Error('found no free port between 20000 and 32000 on 127.0.0.1')
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const listening = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(true))
  })
  if (listening) await new Promise((resolve) => server.close(resolve))
  return listening
}

/** What a process has used so far. */
export interface Usage {
  readonly cpuSeconds: number
  readonly rssBytes: number
  readonly peakRssBytes: number
}

/** Reads /proc (Linux only). */
export async function usage(pid: number): Promise<Usage> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // After the name, which may hold spaces and parentheses: state is field 3 of proc(5), utime 14, stime 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[11]) + Number(fields[12])
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const kibibytes = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1024
  return { cpuSeconds: ticks / 100, rssBytes: kibibytes('VmRSS'), peakRssBytes: kibibytes('VmHWM') }
}

interface Guard {
  readonly directory: string
  add(pid: number): void
  delete(pid: number): void
}

let theGuard: Guard | undefined

function guard(): Guard {
  theGuard ??= startGuard()
  return theGuard
}

/**
 * A shell that reads the process groups to kill, one list a line, until our end of the pipe closes; then it kills the last list
 * and removes the folder. Nothing else survives a SIGKILL of this process.
 */
function startGuard(): Guard {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-'))
  const script = 'while read -r line; do groups=$line; done; for g in $groups; do kill -9 "-$g" 2>/dev/null; done; rm -rf -- "$0"'
  const shell = spawn('/bin/sh', ['-c', script, directory], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  shell.unref()
  const pipe = shell.stdin
  if ('unref' in pipe && typeof pipe.unref === 'function') pipe.unref()
  const groups = new Set<number>()
  const tell = () => pipe.write(`${[...groups].join(' ')}\n`)
  return {
    directory,
    add(pid) {
      groups.add(pid)
      tell()
    },
    delete(pid) {
      groups.delete(pid)
      tell()
    },
  }
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
