/** The real flux command, on one cluster. */

import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { parseDuration } from '../../src/lib/duration.ts'
import { kill, startProcess, temporaryDirectory } from './processes.ts'
import { findTool } from './tools.ts'

export interface FluxRun {
  /** Exit code. */
  readonly code: number
  /** Tables, YAML and JSON. */
  readonly stdout: string
  /** What it does and waits for, and errors. */
  readonly stderr: string
}

export interface Flux {
  /** Runs it to its end and returns what it printed on standard output; rejects with all that it said unless it exits with 0. */
  (...args: string[]): Promise<string>
  /** Runs it and returns what it says on both outputs; rejects unless it exits with 0. */
  said(...args: string[]): Promise<string>
  /** Runs it; the exit code is the caller's to judge. */
  tried(...args: string[]): Promise<FluxRun>
  /** The rows of a table that it prints, by column. */
  rows(...args: string[]): Promise<Record<string, string>[]>
  /** Starts one that does not end by itself, such as a watch, and ends it as soon as it has printed this. */
  until(text: string, ...args: string[]): Promise<void>
}

/**
 * Its default namespace is the one given. No file of the user's is read, such as what docker knows of registries, and nobody beyond
 * loopback is asked: `flux check` would look for a newer flux.
 */
export async function fluxOf(about: { readonly kubeconfig: string; readonly namespace: string }): Promise<Flux> {
  const home = await temporaryDirectory('flux-home')
  await mkdir(`${home}/.kube`)
  const tool = await findTool('flux', () => {})
  const env = {
    ...process.env,
    HOME: home,
    KUBECONFIG: about.kubeconfig,
    FLUX_SYSTEM_NAMESPACE: about.namespace,
    HTTPS_PROXY: 'http://127.0.0.1:9',
    NO_PROXY: '127.0.0.1,localhost',
  }
  const tried = (...args: string[]) => execute(tool, args, env)
  const succeeded = async (args: readonly string[]): Promise<FluxRun> => {
    const run = await tried(...args)
    if (run.code !== 0) throw new Error(`flux ${args.join(' ')} ended with ${run.code}: ${run.stderr}${run.stdout}`)
    return run
  }
  return Object.assign(async (...args: string[]) => (await succeeded(args)).stdout, {
    said: async (...args: string[]) => {
      const { stdout, stderr } = await succeeded(args)
      return stderr + stdout
    },
    tried,
    rows: async (...args: string[]) => rowsOf((await succeeded(args)).stdout),
    until: (text: string, ...args: string[]) => watchUntil(text, { tool, args, env }),
  })
}

function execute(tool: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<FluxRun> {
  return new Promise((resolve, reject) => {
    execFile(tool, args, { env, timeout: 120_000, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') return reject(error)
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr })
    }).stdin?.end()
  })
}

interface Watching {
  readonly tool: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
}

async function watchUntil(text: string, { tool, args, env }: Watching): Promise<void> {
  const child = startProcess(tool, [...args, '--timeout=30s'], { env, stdio: ['ignore', 'pipe', 'ignore'] })
  let printed = ''
  try {
    for await (const chunk of child.stdout ?? []) {
      printed += String(chunk)
      if (printed.includes(text)) return
    }
  } finally {
    await kill(child)
  }
  throw new Error(`flux ${args.join(' ')} did not print ${text}, but: ${printed}`)
}

/** Cells are padded with blanks and a tab. */
function rowsOf(table: string): Record<string, string>[] {
  const [header = '', ...lines] = table.split('\n').filter((line) => line !== '')
  const cells = (line: string) => line.split('\t').map((cell) => cell.trim())
  const columns = cells(header)
  const rowOf = (line: string) => cells(line).flatMap((cell, index) => (columns[index] ? [[columns[index], cell]] : []))
  return lines.map((line) => Object.fromEntries(rowOf(line)))
}

/** The blocks of `flux trace`, each with its fields. */
export function blocksOf(trace: string): Record<string, string>[] {
  const fieldsOf = (block: string) => [...block.matchAll(/^(\w[\w ]*):\s+(.*)$/gm)].map(([, name = '', value]) => [name, value])
  return trace.split('---\n').map((block) => Object.fromEntries(fieldsOf(block)))
}

/** The same value with durations as milliseconds: the CLI exports `1h` as `1h0m0s`. */
export function inMilliseconds(value: unknown): unknown {
  if (typeof value === 'string') return /^([\d.]+(h|m|s|ms))+$/.test(value) ? parseDuration(value) : value
  if (Array.isArray(value)) return value.map(inMilliseconds)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, inMilliseconds(inner)]))
}
