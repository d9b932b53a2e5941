/**
 * `make bench`: how fast Sluice, as the bundle that is shipped, is on a real API server, as a table. Figures, not a test: nothing
 * here passes or fails by its speed. Parts: `make bench ARGS='--only kustomizations --apps 50 --chain 5'`; flags of Sluice:
 * `--flag concurrent=4`. Beside Flux's own controllers, which are built the first time: `make bench ARGS='--flux --rounds 3'`.
 */
import { parseArgs } from 'node:util'
import { benchChartIndexes } from './chart-indexes.ts'
import { benchEvents } from './events.ts'
import { compareWithFlux, sluiceWith } from './flux.ts'
import { benchKustomizations, type Sizes } from './kustomizations.ts'
import { printTable, type Row } from './measure.ts'
import { benchReleases } from './releases.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: ['kustomizations', 'releases', 'indexes', 'events'] },
    flux: { type: 'boolean', default: false },
    apps: { type: 'string' },
    chain: { type: 'string' },
    rounds: { type: 'string', default: '2' },
    releases: { type: 'string', multiple: true, default: ['50', '500'] },
    events: { type: 'string', default: '5000' },
    flag: { type: 'string', multiple: true, default: ['concurrent=20'] },
  },
})
const flags = Object.fromEntries(values.flag.map((flag) => [flag.split('=')[0] ?? '', flag.split('=').slice(1).join('=')]))

/**
 * Measured once with the real Flux 2.9 helm-controller and source-controller, on two such cores, with the settings of their own benchmark
 * (20 workers, work files in memory). Quoted for comparison; not run here.
 */
const quoted = [
  '| *Flux 2.9 (quoted): install of 50 HelmReleases* | *10.4* | *10* | | | | | |',
  '| *Flux 2.9 (quoted): no-op of 50 HelmReleases* | *1.7* | | | | | | |',
  '| *Flux 2.9 (quoted): upgrade of 50 HelmReleases* | *12.8* | *16* | | | | | |',
  '| *Flux 2.9 (quoted): Helm index of 5,000 entries* | *1.1* | | | | | | |',
]

const parts: Readonly<Record<string, () => AsyncIterable<Row>>> = {
  kustomizations: () => benchKustomizations(sizesOr({ apps: 500, chain: 20 }), sluiceWith(flags)),
  async *releases() {
    for (const count of values.releases) yield* benchReleases(Number(count), flags)
  },
  indexes: () => benchChartIndexes(flags),
  events: () => benchEvents(Number(values.events), flags),
}

function sizesOr({ apps, chain }: Sizes): Sizes {
  return { apps: Number(values.apps ?? apps), chain: Number(values.chain ?? chain) }
}

async function benchParts(): Promise<void> {
  const rows: Row[] = []
  for (const name of values.only) {
    const part = parts[name]
    if (!part) throw new Error(`${name} is no part: ${Object.keys(parts).join(', ')}`)
    for await (const row of part()) rows.push(row)
  }
  printTable(rows, values.flag, quoted)
}

if (values.flux) await compareWithFlux(sizesOr({ apps: 100, chain: 10 }), { rounds: Number(values.rounds), flags })
else await benchParts()
