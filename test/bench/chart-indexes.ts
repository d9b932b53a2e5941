/** Indexes of Helm repositories: one as large as a busy vendor's, and one of 100 MB. */
import { startChartServer } from '../tools/chart-server.ts'
import { startSluice } from '../tools/sluice.ts'
import { isReady } from '../tools/watch.ts'
import { requestedAt } from './api.ts'
import { namespace, startBenchCluster } from './cluster.ts'
import { Meter, type Row } from './measure.ts'

const version = 'source.toolkit.fluxcd.io/v1'
const versionsEach = 25
const megabyte = 1_000_000

/** An index with this many versions of charts, 25 each, of at least so many bytes. */
function indexOf(entries: number, bytes = 0): string {
  const filler = 'x'.repeat(Math.max(0, Math.ceil(bytes / entries) - entry('chart-0000', 0, '').length))
  const charts = Array.from({ length: entries / versionsEach }, (_, chart) => {
    const name = `chart-${String(chart).padStart(4, '0')}`
    const versions = Array.from({ length: versionsEach }, (_, minor) => entry(name, minor, filler))
    return `  ${name}:\n${versions.join('')}`
  })
  return `apiVersion: v1\nentries:\n${charts.join('')}generated: "2026-01-01T00:00:00Z"\n`
}

function entry(name: string, minor: number, filler: string): string {
  return `  - apiVersion: v2
    appVersion: 1.${minor}.0
    created: "2026-01-01T00:00:00Z"
    description: A chart that does what charts do. ${filler}
    digest: ${'0123456789abcdef'.repeat(4)}
    home: https://example.com/${name}
    keywords:
    - one
    - two
    maintainers:
    - email: someone@example.com
      name: someone
    name: ${name}
    urls:
    - https://example.com/charts/${name}-1.${minor}.0.tgz
    version: 1.${minor}.0
`
}

export async function* benchChartIndexes(flags: Readonly<Record<string, string>>): AsyncIterable<Row> {
  yield* fetched('Helm index of 5,000 entries', { entries: 5_000 }, flags)
  yield* fetched('Helm index of 100 MB, 100,000 entries', { entries: 100_000, bytes: 100 * megabyte }, flags)
}

async function* fetched(
  what: string,
  { entries, bytes }: { readonly entries: number; readonly bytes?: number },
  flags: Readonly<Record<string, string>>,
): AsyncIterable<Row> {
  await using resources = new AsyncDisposableStack()
  const { controlPlane, api, path, follow } = resources.use(await startBenchCluster())
  const charts = resources.use(await startChartServer())
  const index = indexOf(entries, bytes)
  charts.setIndex(index)
  const repositories = path(version, 'helmrepositories')
  const tracker = await follow(repositories)
  const larger = { ...flags, 'helm-index-max-size': String(2 * Buffer.byteLength(index)) }
  const sluice = resources.use(await startSluice({ kubeconfig: controlPlane.kubeconfig, flags: larger }))
  const meter = new Meter(controlPlane, sluice)
  const remark = `${(index.length / megabyte).toFixed(1)} MB`
  yield await meter.measure(`${what}, the first work of the process`, async () => {
    const metadata = { name: 'bench', namespace }
    await api.create(repositories, {
      apiVersion: version,
      kind: 'HelmRepository',
      metadata,
      spec: { url: charts.url, interval: '10m' },
    })
    await tracker.untilAll(['bench'], isReady())
    return remark
  })
  charts.setIndex(`${index}# another one\n`)
  yield await meter.measure(`${what}, after a change`, async () => {
    await api.patch(`${repositories}/bench`, requestedAt('now'))
    await tracker.untilAll(['bench'], isReady(charts.revision()))
    return remark
  })
}
