/** The CRDs on a real API server. */
import { beforeAll, describe, expect, inject, it } from 'vitest'
import type { GitRepository } from '../../src/api/gitrepository.ts'
import type { Kustomization } from '../../src/api/kustomization.ts'
import { messageOf } from '../../src/lib/errors.ts'
import { kubectlOf } from '../tools/kubectl.ts'

const kubectl = kubectlOf(inject('kubeconfig'))
const namespace = 'test-api-crd'

function git(name: string, spec: object, rest: object = {}) {
  const whole = { url: 'https://example.com/x', interval: '1m', ...spec }
  return { apiVersion: 'source.toolkit.fluxcd.io/v1', kind: 'GitRepository', metadata: { name, namespace }, spec: whole, ...rest }
}

function ks(name: string, spec: object) {
  const whole = { sourceRef: { kind: 'GitRepository', name: 'x' }, interval: '1m', prune: true, ...spec }
  return { apiVersion: 'kustomize.toolkit.fluxcd.io/v1', kind: 'Kustomization', metadata: { name, namespace }, spec: whole }
}

const long = (length: number) => 'x'.repeat(length)
const durationPattern = String.raw`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
const shortDurationPattern = String.raw`^([0-9]+(\.[0-9]+)?(ms|s|m))+$`
const bothOrNone = 'exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be specified'

/** Object → the message that the API server refuses it with. */
const refused: readonly (readonly [{ metadata: { name: string } }, string])[] = [
  [git('git-no-url', { url: undefined }), 'spec.url: Required value'],
  [git('git-no-interval', { interval: undefined }), 'spec.interval: Required value'],
  [
    git('git-url-scheme', { url: 'file:///etc' }),
    `spec.url: Invalid value: "file:///etc": spec.url in body should match '^(http|https|ssh)://.*$'`,
  ],
  [git('git-url-scp', { url: 'git@example.com:x' }), `spec.url in body should match '^(http|https|ssh)://.*$'`],
  [git('git-interval', { interval: '5 minutes' }), `spec.interval in body should match '${durationPattern}'`],
  [git('git-interval-days', { interval: '1d' }), `spec.interval in body should match '${durationPattern}'`],
  [git('git-timeout-hours', { timeout: '1h' }), `spec.timeout in body should match '${shortDurationPattern}'`],
  [
    git('git-provider', { provider: 'gcp' }),
    'spec.provider: Unsupported value: "gcp": supported values: "generic", "aws", "azure", "github"',
  ],
  [git('git-account', { serviceAccountName: 'x' }), "serviceAccountName can only be set when provider is 'azure' or 'aws'"],
  [
    git('git-account-github', { serviceAccountName: 'x', provider: 'github' }),
    "serviceAccountName can only be set when provider is 'azure' or 'aws'",
  ],
  [git('git-verify', { verify: {} }), 'spec.verify.secretRef: Required value'],
  [
    git('git-verify-mode', { verify: { mode: 'tag', secretRef: { name: 'x' } } }),
    'spec.verify.mode: Unsupported value: "tag": supported values: "head", "HEAD", "Tag", "TagAndHEAD"',
  ],
  [git('git-include', { include: [{ fromPath: 'x' }] }), 'spec.include[0].repository: Required value'],
  [git('git-secret', { secretRef: {} }), 'spec.secretRef.name: Required value'],
  [git('git-suspend', { suspend: 'yes' }), 'suspend'],
  [ks('ks-no-prune', { prune: undefined }), 'spec.prune: Required value'],
  [ks('ks-no-source', { sourceRef: undefined }), 'spec.sourceRef: Required value'],
  [ks('ks-no-interval', { interval: undefined }), 'spec.interval: Required value'],
  [
    ks('ks-source-kind', { sourceRef: { kind: 'HelmRepository', name: 'x' } }),
    'spec.sourceRef.kind: Unsupported value: "HelmRepository": supported values: "OCIRepository", "GitRepository", "Bucket", "ExternalArtifact"',
  ],
  [ks('ks-retry', { retryInterval: 'soon' }), `spec.retryInterval in body should match '${durationPattern}'`],
  [ks('ks-timeout', { timeout: '' }), `spec.timeout in body should match '${durationPattern}'`],
  [
    ks('ks-deletion', { deletionPolicy: 'Keep' }),
    'spec.deletionPolicy: Unsupported value: "Keep": supported values: "MirrorPrune", "Delete", "WaitForTermination", "Orphan"',
  ],
  [ks('ks-namespace', { targetNamespace: long(64) }), 'spec.targetNamespace: Too long: may not be more than 63 bytes'],
  [ks('ks-namespace-empty', { targetNamespace: '' }), 'spec.targetNamespace in body should be at least 1 chars long'],
  [ks('ks-prefix', { namePrefix: long(201) }), 'spec.namePrefix: Too long: may not be more than 200 bytes'],
  [ks('ks-suffix', { nameSuffix: '' }), 'spec.nameSuffix in body should be at least 1 chars long'],
  [ks('ks-kubeconfig-none', { kubeConfig: {} }), `spec.kubeConfig: Invalid value: ${bothOrNone}`],
  [
    ks('ks-kubeconfig-both', { kubeConfig: { secretRef: { name: 'x' }, configMapRef: { name: 'x' } } }),
    `spec.kubeConfig: Invalid value: ${bothOrNone}`,
  ],
  [
    ks('ks-from-kind', { postBuild: { substituteFrom: [{ kind: 'Pod', name: 'x' }] } }),
    'spec.postBuild.substituteFrom[0].kind: Unsupported value: "Pod": supported values: "Secret", "ConfigMap"',
  ],
  [
    ks('ks-from-name', { postBuild: { substituteFrom: [{ kind: 'Secret', name: long(254) }] } }),
    'spec.postBuild.substituteFrom[0].name: Too long: may not be more than 253 bytes',
  ],
  [
    ks('ks-strategy', { postBuild: { substituteStrategy: 'Never' } }),
    'spec.postBuild.substituteStrategy: Unsupported value: "Never": supported values: "WithVariables", "Always"',
  ],
  [
    ks('ks-decryption', { decryption: { provider: 'vault' } }),
    'spec.decryption.provider: Unsupported value: "vault": supported values: "sops"',
  ],
  [ks('ks-patch', { patches: [{ target: { kind: 'Pod' } }] }), 'spec.patches[0].patch: Required value'],
  [ks('ks-image', { images: [{ newTag: 'v1' }] }), 'spec.images[0].name: Required value'],
  [
    ks('ks-metadata', { buildMetadata: ['all'] }),
    'spec.buildMetadata[0]: Unsupported value: "all": supported values: "originAnnotations", "transformerAnnotations"',
  ],
  [ks('ks-check', { healthChecks: [{ kind: 'Deployment' }] }), 'spec.healthChecks[0].name: Required value'],
  [ks('ks-expr', { healthCheckExprs: [{ apiVersion: 'v1' }] }), 'spec.healthCheckExprs[0].current: Required value'],
  [ks('ks-depends', { dependsOn: [{ namespace: 'x' }] }), 'spec.dependsOn[0].name: Required value'],
  [ks('ks-ignore', { ignore: [{ target: {} }] }), 'spec.ignore[0].paths: Required value'],
]

const accepted = [
  git('ok-minimal', {}),
  git('ok-ssh', { url: 'ssh://git@example.com/x', interval: '1h30m', timeout: '1m30.5s' }),
  git('ok-account', { provider: 'azure', serviceAccountName: 'x' }),
  git('ok-verify', { verify: { secretRef: { name: 'x' } } }),
  ks('ok-minimal', {}),
  ks('ok-kubeconfig', { kubeConfig: { configMapRef: { name: 'x' } } }),
  ks('ok-bounds', { targetNamespace: long(63), namePrefix: long(200) }),
  ks('ok-from', { postBuild: { substituteFrom: [{ kind: 'ConfigMap', name: 'x' }], substitute: { a: 'b' } } }),
]

let answers: string

beforeAll(async () => {
  await kubectl('create', 'namespace', namespace)
  answers = await kubectl.apply([...refused.map(([object]) => object), ...accepted]).catch(messageOf)
})

describe('the API server with our CRDs', () => {
  it.each(refused.map(([object, message]) => [object.metadata.name, message]))('API-02 refuses %s: %s', (name, message) => {
    const about = answers
      .split(/^(?=The |Error|error)/m)
      .filter((answer) => answer.includes(`"${name}"`) || answer.includes(`/${name}`))
    expect(about.join('')).toContain(message)
  })

  it('API-02 accepts what is right', async () => {
    const { items } = await kubectl.json<{ items: { metadata: { name: string } }[] }>(
      '-n',
      namespace,
      'get',
      'gitrepositories,kustomizations',
    )
    expect(items.map((item) => item.metadata.name).toSorted()).toEqual(accepted.map((object) => object.metadata.name).toSorted())
  })

  it('API-02 sets the defaults', async () => {
    const verified = await kubectl.json<GitRepository>('-n', namespace, 'get', 'gitrepository', 'ok-verify')
    expect(verified.spec).toMatchObject({ timeout: '60s', verify: { mode: 'HEAD' } })
    const from = await kubectl.json<Kustomization>('-n', namespace, 'get', 'kustomization', 'ok-from')
    expect(from.spec).toMatchObject({ force: false, postBuild: { substituteFrom: [{ optional: false }] } })
  })

  it('API-04 starts observedGeneration at -1', async () => {
    for (const kind of ['gitrepository', 'kustomization']) {
      expect(await kubectl.json('-n', namespace, 'get', kind, 'ok-minimal')).toMatchObject({ status: { observedGeneration: -1 } })
    }
  })

  it('API-01 knows the kinds by the names of Flux', async () => {
    const lines = async (group: string) => {
      const text = await kubectl('api-resources', '--api-group', group, '-o', 'wide', '--no-headers')
      return text
        .trim()
        .split('\n')
        .map((line) => line.trim().split(/\s+/))
    }
    const verbs = 'delete,deletecollection,get,list,patch,create,update,watch'
    const named = (plural: string, short: string, apiVersion: string, kind: string, category: string) => [
      plural,
      short,
      apiVersion,
      'true',
      kind,
      verbs,
      `all,fluxcd,fluxcd-${category}`,
    ]
    const source = 'source.toolkit.fluxcd.io/v1'
    const sources = await lines('source.toolkit.fluxcd.io')
    expect(sources).toContainEqual(named('gitrepositories', 'gitrepo', source, 'GitRepository', 'sources'))
    expect(sources).toContainEqual(named('helmcharts', 'hc', source, 'HelmChart', 'sources'))
    expect(sources).toContainEqual(named('externalartifacts', 'ea', source, 'ExternalArtifact', 'sources'))
    expect(sources).toContainEqual(named('ocirepositories', 'ocirepo', source, 'OCIRepository', 'sources'))
    expect(await lines('kustomize.toolkit.fluxcd.io')).toEqual([
      named('kustomizations', 'ks', 'kustomize.toolkit.fluxcd.io/v1', 'Kustomization', 'appliers'),
    ])
    expect(await lines('helm.toolkit.fluxcd.io')).toEqual([
      named('helmreleases', 'hr', 'helm.toolkit.fluxcd.io/v2', 'HelmRelease', 'appliers'),
    ])
  })

  it('API-01 shows the columns of Flux', async () => {
    const conditions = [
      { type: 'Ready', status: 'True', reason: 'Succeeded', message: 'stored', lastTransitionTime: '2026-01-01T00:00:00Z' },
    ]
    const patch = JSON.stringify({ status: { conditions } })
    await kubectl('-n', namespace, 'patch', 'gitrepo', 'ok-minimal', '--subresource=status', '--type=merge', '-p', patch)
    await kubectl('-n', namespace, 'patch', 'ks', 'ok-minimal', '--subresource=status', '--type=merge', '-p', patch)
    const table = async (kind: string) =>
      (await kubectl('-n', namespace, 'get', kind, 'ok-minimal')).split('\n').map((line) => line.trim().split(/\s+/))
    expect(await table('gitrepo')).toMatchObject([
      ['NAME', 'URL', 'AGE', 'READY', 'STATUS'],
      ['ok-minimal', 'https://example.com/x', expect.any(String), 'True', 'stored'],
      [''],
    ])
    expect(await table('ks')).toMatchObject([
      ['NAME', 'AGE', 'READY', 'STATUS'],
      ['ok-minimal', expect.any(String), 'True', 'stored'],
      [''],
    ])
  })

  it('API-02 checks conditions and artifacts in a status', async () => {
    const status = {
      conditions: [{ type: 'Ready', status: 'Maybe', reason: 'not a reason', message: '', lastTransitionTime: 'now' }],
      artifact: { digest: 'none', path: 'p', url: 'u', revision: 'r', lastUpdateTime: '2026-01-01T00:00:00Z' },
    }
    const patch = JSON.stringify({ status })
    const answer = await kubectl(
      '-n',
      namespace,
      'patch',
      'gitrepo',
      'ok-ssh',
      '--subresource=status',
      '--type=merge',
      '-p',
      patch,
    ).catch(messageOf)
    expect(answer).toContain(
      'status.conditions[0].status: Unsupported value: "Maybe": supported values: "True", "False", "Unknown"',
    )
    expect(answer).toContain('status.conditions[0].reason')
    expect(answer).toContain('status.conditions[0].lastTransitionTime')
    expect(answer).toContain('status.artifact.digest')
  })

  it('API-01 asks Kustomizations that deliver the CRDs not to replace variables in them', async () => {
    for (const crd of ['gitrepositories.source.toolkit.fluxcd.io', 'kustomizations.kustomize.toolkit.fluxcd.io']) {
      expect(await kubectl.json('get', 'crd', crd)).toMatchObject({
        metadata: { annotations: { 'kustomize.toolkit.fluxcd.io/substitute': 'disabled' } },
      })
    }
  })
})
