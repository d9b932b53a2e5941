/** The real Helm as a process that answers requests: test/tools/helm/oracle. */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { findTool } from '../tools/tools.ts'
import type { HelmAnswer, HelmRequest } from './helm-cases/request.ts'

/** After so long without an answer the process is ended: some templates never end in Go. */
const TIMEOUT_MS = 20_000

export class HelmOracle {
  readonly #program: string
  #process: ChildProcessWithoutNullStreams | undefined
  #waiting: ((answer: HelmAnswer | undefined) => void)[] = []

  private constructor(program: string) {
    this.#program = program
  }

  static async start(): Promise<HelmOracle> {
    return new HelmOracle(await findTool('helm-oracle'))
  }

  /** Undefined when the program crashed or took too long over this or an earlier request. */
  ask(request: HelmRequest): Promise<HelmAnswer | undefined> {
    const child = this.#running()
    return new Promise((resolve) => {
      const timer = setTimeout(() => child.kill(), TIMEOUT_MS)
      this.#waiting.push((answer) => {
        clearTimeout(timer)
        resolve(answer)
      })
      child.stdin.write(`${JSON.stringify(request)}\n`)
    })
  }

  close(): void {
    this.#process?.stdin.end()
  }

  #running(): ChildProcessWithoutNullStreams {
    if (this.#process) return this.#process
    const child = spawn(this.#program, [], { stdio: 'pipe', env: { ...process.env, TZ: 'UTC', GOMEMLIMIT: '1GiB' } })
    child.stderr.resume()
    child.stdin.on('error', () => {})
    createInterface({ input: child.stdout }).on('line', (line) => {
      // A process that is ended while it writes leaves a part of a line.
      if (line.endsWith('}')) this.#waiting.shift()?.(JSON.parse(line))
    })
    child.once('close', () => {
      this.#process = undefined
      for (const resolve of this.#waiting.splice(0)) resolve(undefined)
    })
    this.#process = child
    return child
  }
}
