/** HelmReleases of one small chart in an HTTP repository: installed, again, and upgraded by values. */
import { startChartServer } from '../tools/chart-server.ts'
import { startSluice } from '../tools/sluice.ts'
import { isReady, type Live } from '../tools/watch.ts'
import { type Api, requestedAt, type Tracker } from './api.ts'
import { namespace, startBenchCluster } from './cluster.ts'
import { Meter, type Row } from './measure.ts'

const sourceVersion = 'source.toolkit.fluxcd.io/v1'
const helmVersion = 'helm.toolkit.fluxcd.io/v2'

/** Five objects that are ready as soon as they are there: what is measured is the work, not a cluster's pods. */
const chart = {
  'values.yaml': 'text: first\nlabels: {}\nport: 80\n',
  'templates/_helpers.tpl': `{{- define "small.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.Version | quote }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}
`,
  ...Object.fromEntries(
    Object.entries({
      configmap: 'v1 ConfigMap data:\n  text: {{ .Values.text | quote }}',
      secret: 'v1 Secret stringData:\n  text: {{ .Values.text | quote }}',
      serviceaccount: 'v1 ServiceAccount automountServiceAccountToken: false',
      service: 'v1 Service spec:\n  selector:\n    app: {{ .Release.Name }}\n  ports:\n    - port: {{ .Values.port }}',
      role: 'rbac.authorization.k8s.io/v1 Role rules: []',
    }).map(([file, text]) => {
      const [apiVersion, kind, ...body] = text.split(' ')
      const head = `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata:\n  name: {{ .Release.Name }}\n`
      const labels = `  labels:\n    {{- include "small.labels" . | nindent 4 }}\n`
      return [`templates/${file}.yaml`, `${head}${labels}${body.join(' ')}\n`]
    }),
  ),
}

interface Bench {
  readonly api: Api
  readonly tracker: Tracker
  readonly releases: string
  readonly names: readonly string[]
}

export async function* benchReleases(count: number, flags: Readonly<Record<string, string>>): AsyncIterable<Row> {
  await using resources = new AsyncDisposableStack()
  const { controlPlane, api, path, follow } = resources.use(await startBenchCluster())
  const charts = resources.use(await startChartServer())
  charts.publish('small', '1.0.0', chart)
  const names = Array.from({ length: count }, (_, index) => `release-${String(index).padStart(3, '0')}`)
  const releases = path(helmVersion, 'helmreleases')
  const repository = { apiVersion: sourceVersion, kind: 'HelmRepository', metadata: { name: 'bench', namespace } }
  // Everything is there before Sluice starts: a client that creates 500 objects would be measured otherwise.
  await api.create(path(sourceVersion, 'helmrepositories'), { ...repository, spec: { url: charts.url, interval: '10m' } })
  await Promise.all(names.map((name) => api.create(releases, helmRelease(name))))
  const tracker = await follow(releases)
  const bench = { api, tracker, releases, names }

  const { meter, row } = await Meter.fromStart(
    controlPlane,
    async () => resources.use(await startSluice({ kubeconfig: controlPlane.kubeconfig, flags })),
    {
      what: `install of ${count} HelmReleases, ${count * 5} objects, from the start of the process`,
      run: async () => {
        await tracker.untilAll(names, isReady())
        return ''
      },
    },
  )
  yield row
  yield await meter.measure(`no-op of all ${count} HelmReleases, on request`, () => noOp(bench))
  yield await meter.measure(`upgrade of all ${count} HelmReleases by values`, () => upgrade(bench))
}

function helmRelease(name: string): object {
  const sourceRef = { kind: 'HelmRepository', name: 'bench' }
  return {
    apiVersion: helmVersion,
    kind: 'HelmRelease',
    metadata: { name, namespace },
    spec: { interval: '10m', chart: { spec: { chart: 'small', version: '1.x', sourceRef } }, values: { text: 'first' } },
  }
}

async function noOp({ api, tracker, releases, names }: Bench): Promise<string> {
  const token = new Date().toISOString()
  await Promise.all(names.map((name) => api.patch(`${releases}/${name}`, requestedAt(token))))
  await tracker.untilAll(names, (object) => object.status?.lastHandledReconcileAt === token && isReady()(object))
  return ''
}

async function upgrade({ api, tracker, releases, names }: Bench): Promise<string> {
  await Promise.all(names.map((name) => api.patch(`${releases}/${name}`, { spec: { values: { text: 'second' } } })))
  await tracker.untilAll(names, (object) => isReady()(object) && newestVersion(object) === 2)
  return ''
}

function newestVersion({ status }: Live): number {
  const [newest] = (status?.history ?? []) as readonly { readonly version: number }[]
  return newest?.version ?? 0
}
