/** Borders that the whole program keeps: between namespaces, around an artifact, around secrets. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type Cluster, conditionOf, hasCondition, isReady, openCluster, type Sluice } from './harness.ts'

let cluster: Cluster
let other: Cluster

beforeAll(async () => {
  cluster = await openCluster(inject('kubeconfig'), 'security')
  other = await openCluster(inject('kubeconfig'), 'security-other')
})

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  await other?.[Symbol.asyncDispose]()
})

function configMap(name: string, data: Record<string, string> = {}): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: ${JSON.stringify(data)}\n`
}

/** A Kustomization of the cluster's `app`, which may lie in another namespace. */
function kustomization(name: string, spec: Readonly<Record<string, unknown>> = {}) {
  return cluster.kustomization(name, { targetNamespace: cluster.namespace, namePrefix: `${name}-`, ...spec })
}

describe('a source in another namespace', () => {
  const selector = () => `sluice.test/shard in (${cluster.namespace},${other.namespace})`

  it('SEC-02 is used, and refused as access denied with --no-cross-namespace-refs', async () => {
    const repository = await other.repository('app', { 'a.yaml': configMap('app') })
    await other.apply(other.gitRepository('app'), other.kustomization('base', { suspend: true }))
    const sourceRef = { kind: 'GitRepository', name: 'app', namespace: other.namespace }
    const open = await cluster.startSluice({ flags: { 'watch-label-selector': selector() } })
    await cluster.apply(kustomization('allowed', { sourceRef }))
    await cluster.until('kustomization/allowed', isReady(await repository.head()))
    await cluster.get('configmap/allowed-app')
    await open.stop()

    await cluster.startSluice({ flags: { 'watch-label-selector': selector(), 'no-cross-namespace-refs': 'true' } })
    await cluster.apply(kustomization('denied', { sourceRef }))
    const message = `can't access 'GitRepository/${other.namespace}/app', cross-namespace references have been blocked`
    const denied = await cluster.until('kustomization/denied', hasCondition('Stalled', 'True', 'AccessDenied'))
    expect(conditionOf(denied, 'Ready')).toMatchObject({ status: 'False', reason: 'AccessDenied', message })
    expect(conditionOf(denied, 'Stalled')).toMatchObject({ reason: 'AccessDenied', message })
    await expect
      .poll(() => cluster.events('kustomization/denied'), { timeout: 20_000 })
      .toContainEqual(expect.objectContaining({ type: 'Warning', reason: 'AccessDenied', message }))
    // The same rule for what worked before; what it has applied stays.
    await cluster.kubectl('annotate', 'kustomization/allowed', 'reconcile.fluxcd.io/requestedAt=now')
    await cluster.until('kustomization/allowed', hasCondition('Stalled', 'True', 'AccessDenied'))
    await cluster.get('configmap/allowed-app')

    // Sources of the own namespace may be named with it, and dependencies may lie anywhere.
    await cluster.repository('app', { 'a.yaml': configMap('app') })
    await cluster.apply(
      cluster.gitRepository('app'),
      kustomization('own', {
        sourceRef: { kind: 'GitRepository', name: 'app', namespace: cluster.namespace },
        dependsOn: [{ name: 'base', namespace: other.namespace }],
      }),
    )
    await cluster.until('kustomization/own', hasCondition('Ready', 'False', 'DependencyNotReady', `${other.namespace}/base`))
    await cluster.apply(kustomization('own', { sourceRef: { kind: 'GitRepository', name: 'app', namespace: cluster.namespace } }))
    await cluster.until('kustomization/own', isReady())
  })
})

describe('a build', () => {
  it('SEC-03 SEC-09 reads nothing but its artifact: no link, no path outside, nothing remote', async () => {
    await using own = await openCluster(inject('kubeconfig'), 'security-build')
    await own.startSluice({ flags: { 'no-remote-bases': 'true' } })
    const kustomizationYaml = (text: string) => ({ 'kustomization.yaml': text })
    const folders: Record<string, Record<string, string | { symlink: string }>> = {
      link: { ...kustomizationYaml('resources: [link.yaml]\n'), 'link.yaml': { symlink: '/etc/hostname' } },
      folder: { ...kustomizationYaml('resources: [link]\n'), link: { symlink: '/etc' } },
      upwards: kustomizationYaml('resources: [../../../../../../../../../etc/hostname]\n'),
      absolute: kustomizationYaml('resources: [/etc/hostname]\n'),
      generator: kustomizationYaml('configMapGenerator: [{name: stolen, files: [x=../../../../../../../../../etc/passwd]}]\n'),
      patch: kustomizationYaml('resources: [a.yaml]\npatches: [{path: ../../../../../../../../etc/passwd}]\n'),
      remote: kustomizationYaml('resources: ["https://example.invalid/base.yaml"]\n'),
      git: kustomizationYaml('resources: ["https://github.com/fluxcd/flux2//manifests/crds?ref=main"]\n'),
    }
    const files = Object.entries(folders).flatMap(([folder, content]) =>
      Object.entries({ 'a.yaml': configMap(folder), ...content }).map(([path, text]) => [`${folder}/${path}`, text] as const),
    )
    await own.repository('app', Object.fromEntries(files))
    const names = Object.keys(folders)
    const sourceRef = { kind: 'GitRepository', name: 'app' }
    await own.apply(
      own.gitRepository('app'),
      ...names.map((name) => own.kustomization(name, { sourceRef, path: `./${name}`, targetNamespace: own.namespace })),
    )
    for (const name of names) {
      const failed = await own.until(`kustomization/${name}`, hasCondition('Ready', 'False', 'BuildFailed'))
      const message = conditionOf(failed, 'Ready')?.message ?? ''
      expect(message, name).not.toMatch(/root:|\/tmp\/|\/var\//)
      expect(failed.status?.inventory?.entries ?? []).toEqual([])
    }
    // Paths upwards end at the artifact's own root, where the folders above do not build.
    const wrongPaths = {
      '/': 'BuildFailed',
      '../../..': 'BuildFailed',
      '/etc': 'ArtifactFailed',
      './folder/link': 'ArtifactFailed',
    }
    for (const [path, reason] of Object.entries(wrongPaths)) {
      await own.apply(own.kustomization('path', { sourceRef, path, targetNamespace: own.namespace }))
      await own.until('kustomization/path', hasCondition('Ready', 'False', reason))
    }
  })
})

describe('secrets', () => {
  it('SEC-08 never show in logs, events, statuses or metrics, whatever fails', async () => {
    const secret = (what: string) => `${what}-${randomBytes(8).toString('hex')}`
    const password = secret('password')
    const values = {
      pin: String(randomBytes(6).readUIntBE(0, 6) + 1e15),
      password,
      wrong: secret('wrong'),
      inUrl: secret('url'),
      variable: secret('variable'),
      data: secret('data'),
      broken: secret('broken'),
    }
    await using own = await openCluster(inject('kubeconfig'), 'security-secrets', { git: { auth: { username: 'u', password } } })
    const sluice = await own.startSluice({ flags: { 'log-level': 'trace' } })
    const login = (name: string, value: string) => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name },
      stringData: { username: 'u', password: value },
    })
    const variables = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'variables' },
      stringData: { good: values.variable, pin: values.pin, bad: `${values.broken}"]: {[` },
    }
    await own.apply(login('right', password), login('wrong', values.wrong), variables)
    const immutable = `apiVersion: v1\nkind: Secret\nmetadata: {name: frozen}\nimmutable: true\nstringData: {key: ${values.data}}\n`
    await own.repository('app', {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: variables of Flux
      'good/a.yaml': configMap('good', { x: '${good}' }),
      // biome-ignore lint/suspicious/noTemplateCurlyInString: variables of Flux
      'bad/a.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\ndata: {x: "${bad}"}\n',
      'frozen/a.yaml': immutable,
      // The API server quotes the label that it refuses.
      'label/a.yaml': `apiVersion: v1\nkind: Secret\nmetadata: {name: label, labels: {x: '${values.data}!'}}\nstringData: {key: '${values.data}!'}\n`,
      // biome-ignore lint/suspicious/noTemplateCurlyInString: variables of Flux
      'quoted/a.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: quoted, labels: {x: "${good}!"}}\n',
      'number/a.yaml': `apiVersion: apps/v1
kind: Deployment
metadata: {name: number}
spec:
  selector: {matchLabels: {app: x}}
  template:
    metadata: {labels: {app: x}}
    spec:
      containers:
        - name: x
          image: x
          env:
            - name: PIN
              value: \${pin}
`,
      // biome-ignore lint/suspicious/noTemplateCurlyInString: variables of Flux
      'kind/a.yaml': 'apiVersion: v1\nkind: Secret\nmetadata: {name: kind}\nstringData: {x: ["${good}"]}\n',
    })
    await own.kubectl.apply(
      `apiVersion: v1\nkind: Secret\nmetadata: {name: frozen, namespace: ${own.namespace}}\nimmutable: true\nstringData: {key: before}\n`,
    )
    const withUser = own.git.url('app').replace('://', `://u:${values.inUrl}@`)
    const of = (name: string) =>
      own.kustomization(name, {
        sourceRef: { kind: 'GitRepository', name: 'app' },
        path: `./${name}`,
        targetNamespace: own.namespace,
        postBuild: { substituteFrom: [{ kind: 'Secret', name: 'variables' }] },
      })
    await own.apply(
      own.gitRepository('app', { secretRef: { name: 'right' } }),
      own.gitRepository('refused', { url: own.git.url('app'), secretRef: { name: 'wrong' } }),
      own.gitRepository('in-url', { url: withUser }),
      ...['good', 'bad', 'frozen', 'label', 'quoted', 'number', 'kind'].map(of),
    )
    await own.until('kustomization/good', isReady())
    expect((await own.get('configmap/good')).data?.x).toBe(values.variable)
    await own.until('kustomization/bad', hasCondition('Ready', 'False', 'BuildFailed'))
    await own.until('kustomization/frozen', hasCondition('Ready', 'False', 'ReconciliationFailed'))
    await own.until('kustomization/label', hasCondition('Ready', 'False', 'ReconciliationFailed', '***'))
    for (const name of ['quoted', 'number'])
      await own.until(`kustomization/${name}`, hasCondition('Ready', 'False', 'ReconciliationFailed', '***'))
    await own.until('kustomization/kind', hasCondition('Ready', 'False'))
    for (const name of ['refused', 'in-url'])
      await own.until(`gitrepository/${name}`, hasCondition('Ready', 'False', 'AuthenticationFailed'))
    for (const ref of ['gitrepository/refused', 'kustomization/frozen'])
      await expect.poll(() => own.events(ref), { timeout: 20_000 }).not.toEqual([])

    const statuses = [...(await own.list('gitrepositories')), ...(await own.list('kustomizations'))].map(({ status }) => status)
    const shown: Record<string, string> = {
      statuses: JSON.stringify(statuses),
      events: await own.kubectl('get', 'events', '-o', 'json'),
      logs: JSON.stringify(sluice.logs),
      metrics: (await sluice.metrics()).text,
    }
    for (const [where, text] of Object.entries(shown)) {
      for (const value of Object.values(values)) {
        expect(text.includes(value), `${value} in ${where}: ${around(text, value)}`).toBe(false)
        const encoded = Buffer.from(value).toString('base64').replace(/=+$/, '').slice(0, -1)
        expect(text.includes(encoded), `${value} in base64 in ${where}: ${around(text, encoded)}`).toBe(false)
      }
    }
    assertTraced(sluice)
  })
})

/** What surrounds a value that should not be there. */
function around(text: string, value: string): string {
  const at = text.indexOf(value)
  return at < 0 ? '' : text.slice(Math.max(0, at - 200), at + 100)
}

/** At level trace even the events are logged: nothing was hidden by the level. */
function assertTraced(sluice: Sluice): void {
  expect(sluice.logs.some((line) => line['reconciler kind'] === 'Kustomization')).toBe(true)
}
