/** The same Kustomizations by Flux's own controllers and by Sluice, in turns, each time on an API server of its own. */
import { cpus, loadavg } from 'node:os'
import { installCrds } from '../tools/crds.ts'
import { fluxControllers, installFluxCrds, startFlux } from '../tools/flux-controllers.ts'
import { startSluice } from '../tools/sluice.ts'
import { findTools } from '../tools/tools.ts'
import { benchKustomizations, type Program, type Sizes } from './kustomizations.ts'
import type { Row } from './measure.ts'

export type Flags = Readonly<Record<string, string>>

export function sluiceWith(flags: Flags): Program {
  return { install: installCrds, start: (kubeconfig) => startSluice({ kubeconfig, flags }) }
}

/** With what Flux advises where speed matters: work files in memory, and a look at dependencies every 5 seconds. */
function fluxWith(flags: Flags): Program {
  const advised = { 'enable-leader-election': 'false', 'requeue-dependency': '5s', ...flags }
  return {
    install: installFluxCrds,
    start: (kubeconfig) => startFlux({ kubeconfig, namespace: 'default', workInMemory: true, flags: advised }),
  }
}

/** Prints a table: a line for each scenario, with what each program took in the median of the rounds, and how they compare. */
export async function compareWithFlux(sizes: Sizes, { rounds, flags }: { rounds: number; flags: Flags }): Promise<void> {
  await findTools(fluxControllers) // a build must not fall into the first round
  // As the two controllers do no more than that.
  const programs = { Flux: fluxWith(flags), Sluice: sluiceWith({ controllers: 'source,kustomize', ...flags }) }
  const rows: Record<keyof typeof programs, Row[]> = { Flux: [], Sluice: [] }
  const loads = [loadavg()[0] ?? 0]
  for (let round = 1; round <= rounds; round++)
    for (const name of ['Flux', 'Sluice'] as const) {
      process.stderr.write(`bench: round ${round} of ${rounds}: ${name}\n`)
      for await (const row of benchKustomizations(sizes, programs[name])) rows[name].push(row)
      loads.push(loadavg()[0] ?? 0)
    }
  const shownFlags = Object.entries(flags).map(([name, value]) => `--${name}=${value}`)
  console.log(
    `\nMedian of ${rounds} rounds in turns, both with ${shownFlags.join(' ')}, on ${cpus().length} cores (${cpus()[0]?.model.trim()}),`,
  )
  console.log(`API server and etcd on the same; load ${loads.map((load) => load.toFixed(1)).join(', ')} before and after each.\n`)
  console.log(`| Flux : Sluice (times) | ${measures.map(({ name }) => name).join(' | ')} |`)
  console.log(`|${'---|'.repeat(measures.length + 1)}`)
  for (const what of new Set(rows.Flux.map((row) => row.what))) {
    const of = (name: keyof typeof programs) => rows[name].filter((row) => row.what === what)
    console.log(`| ${[what, ...measures.map((measure) => comparison(measure, of('Flux'), of('Sluice')))].join(' | ')} |`)
  }
}

interface Measure {
  readonly name: string
  readonly digits: number
  of(row: Row): number
}

const measures: readonly Measure[] = [
  { name: 'wall s', digits: 2, of: (row) => row.wallSeconds },
  { name: 'CPU s of the program', digits: 1, of: (row) => row.cpuSeconds },
  { name: 'CPU s of the API server', digits: 1, of: (row) => row.apiServerCpuSeconds },
  { name: 'peak RSS MiB', digits: 0, of: (row) => row.peakRssBytes / 2 ** 20 },
  { name: 'requests', digits: 0, of: (row) => row.requestCount },
]

/** `17.70 : 6.60 (2.7)`. */
function comparison({ digits, of }: Measure, flux: readonly Row[], sluice: readonly Row[]): string {
  const [ofFlux, ofSluice] = [median(flux.map(of)), median(sluice.map(of))]
  const ratio = ofSluice > 0 ? ` (${(ofFlux / ofSluice).toFixed(1)})` : ''
  return `${ofFlux.toFixed(digits)} : ${ofSluice.toFixed(digits)}${ratio}`
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  const [low = 0, high = low] = sorted.length % 2 ? [sorted[half]] : sorted.slice(half - 1, half + 1)
  return (low + high) / 2
}
