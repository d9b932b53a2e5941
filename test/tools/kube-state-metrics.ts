/** A real kube-state-metrics that reads custom resources only, as deploy/monitoring runs it. */
import { createInterface } from 'node:readline'
import { kill, startProcess } from './processes.ts'
import { findTool } from './tools.ts'

export interface KubeStateMetrics extends AsyncDisposable {
  /** Of its metrics. */
  readonly port: number
}

/** Starts it with a configuration file and waits until it listens. @throws Error with the end of its log. */
export async function startKubeStateMetrics(kubeconfig: string, configuration: string): Promise<KubeStateMetrics> {
  const args = {
    host: '127.0.0.1',
    port: '0',
    'telemetry-host': '127.0.0.1',
    'telemetry-port': '0',
    kubeconfig,
    'custom-resource-state-only': 'true',
    'custom-resource-state-config-file': configuration,
  }
  const child = startProcess(
    await findTool('kube-state-metrics'),
    Object.entries(args).map(([name, value]) => `--${name}=${value}`),
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  try {
    return { port: await metricsPort(child.stderr), [Symbol.asyncDispose]: () => kill(child) }
  } catch (error) {
    await kill(child)
    throw error
  }
}

/** It says which address each of its servers got, in no certain order: the metrics are served where `/metrics` tells of objects. */
async function metricsPort(log: NodeJS.ReadableStream | null): Promise<number> {
  if (!log) throw new Error('kube-state-metrics has no log')
  const said: string[] = []
  const ports: number[] = []
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const lines = createInterface({ input: log })
  lines.on('line', (line) => {
    if (said.push(line) > 50) said.shift()
    const port = /"Listening on" address="127\.0\.0\.1:(\d+)"/.exec(line)?.[1]
    if (port && ports.push(Number(port)) === 2) resolve()
  })
  lines.on('close', () => reject(new Error(`kube-state-metrics ended; the end of its log:\n${said.join('\n')}`)))
  await promise
  for (const port of ports) {
    const text = await fetch(`http://127.0.0.1:${port}/metrics`).then((response) => response.text())
    if (!text.includes('process_start_time_seconds')) return port
  }
  throw new Error('kube-state-metrics serves no metrics of objects')
}
