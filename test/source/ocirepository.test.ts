import { createHash } from 'node:crypto'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { OCIRepository } from '../../src/api/ocirepository.ts'
import { Retryable, Stalled } from '../../src/runtime/reconcile.ts'
import { ociRepositoryLoop } from '../../src/source/ocirepository.ts'
import { rawArchive } from '../lib/tarball/archives.ts'
import {
  archiveOf,
  deleteManifest,
  digestOf,
  fluxContent,
  helmContent,
  type PushedLayer,
  pushArtifact,
  pushImage,
  tagImage,
} from '../tools/push.ts'
import { answer, startRegistry, type TestRegistry } from '../tools/registry.ts'
import { OciWorld } from './oci-world.ts'
import { closeThreads } from './world.ts'

const files = { 'web.yaml': 'kind: ConfigMap\n' }
const never = new AbortController().signal

let registry: TestRegistry
let repositories = 0
beforeAll(async () => {
  registry = await startRegistry()
})
afterEach(() => {
  registry.fault = undefined
})
afterAll(async () => {
  await registry[Symbol.asyncDispose]()
  await closeThreads()
})

/** The name of a repository of one's own. */
function fresh(): string {
  return `apps/r${++repositories}`
}

function world(repository: string, spec: Partial<OCIRepository['spec']> = {}): Promise<OciWorld> {
  return OciWorld.create({ url: registry.url(repository), ...spec })
}

/** Path → text of what is stored. */
async function contentOf({ store, status }: OciWorld): Promise<Record<string, string>> {
  const { directory, files: paths } = await store.open(status.artifact ?? expect.fail(), never)
  const entries = [...paths.keys()].map(async (path) => [path, await readFile(join(directory, path), 'utf8')] as const)
  return Object.fromEntries(await Promise.all(entries))
}

function requestsSince(count: number): string[] {
  return registry.requests.slice(count).map(({ method, path }) => `${method} ${path.replace(/^.*\/(manifests|blobs|tags)/, '$1')}`)
}

describe('an OCIRepository', () => {
  it('SRC-OCI-01 SRC-OCI-04 stores what the tag latest stands for, with what it tells of itself', async () => {
    const repository = fresh()
    const origin = { source: 'https://git.example/apps', revision: 'main@sha1:4c5b' }
    const digest = await pushArtifact(registry, repository, { files, tags: ['latest'], ...origin })
    const revision = `latest@${digest}`
    await using one = await world(repository)
    const { outcome, events, progress } = await one.run()
    const message = `new revision '${revision}' for '${registry.host}/${repository}:latest'`
    expect(progress).toEqual(['processing object: new generation 0 -> 1', 'building artifact', `building artifact: ${message}`])
    expect(outcome).toMatchObject({
      ready: { reason: 'Succeeded', message: `stored artifact for digest '${revision}'` },
      requeueAfterMs: 600_000,
      event: { metadata: { revision, digest: one.status.artifact?.digest } },
    })
    const from = `origin source 'https://git.example/apps', origin revision 'main@sha1:4c5b'`
    expect(events).toEqual([
      `info NewArtifact: stored artifact with revision '${revision}' from '${registry.url(repository)}', ${from}`,
    ])
    const path = `ocirepository/apps/podinfo/${digest}.tar.gz`
    expect(one.status.artifact).toEqual({
      revision,
      path,
      url: `http://source-controller.flux-system.svc.cluster.local./${path}`,
      digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      size: expect.any(Number),
      lastUpdateTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      metadata: {
        'org.opencontainers.image.created': '2026-01-02T03:04:05Z',
        'org.opencontainers.image.source': 'https://git.example/apps',
        'org.opencontainers.image.revision': 'main@sha1:4c5b',
      },
    })
    expect(one.status.url).toBe('http://source-controller.flux-system.svc.cluster.local./ocirepository/apps/podinfo/latest.tar.gz')
    expect(one.condition('ArtifactInStorage')).toMatchObject({ status: 'True', reason: 'Succeeded' })
    expect(await contentOf(one)).toEqual(files)
    expect(await readdir(join(one.directory, 'ocirepository/apps/podinfo'))).toContain('latest.tar.gz')
  })

  it('SRC-OCI-16 asks for the digest alone while it is the stored one', async () => {
    const repository = fresh()
    const digest = await pushArtifact(registry, repository, { files, tags: ['v1'] })
    await using one = await world(repository, { ref: { tag: 'v1' } })
    await one.run()
    const { artifact } = one.status
    const before = registry.requests.length
    const { events, outcome } = await one.run()
    expect(requestsSince(before)).toEqual(['GET /v2/', 'HEAD manifests/v1'])
    expect(events).toEqual([`trace ArtifactUpToDate: artifact up-to-date with remote revision: 'v1@${digest}'`])
    expect(outcome?.ready).toEqual({ reason: 'Succeeded', message: `stored artifact for digest 'v1@${digest}'` })
    expect(one.status.artifact).toEqual(artifact)
  })

  it('SRC-ART-10 takes a tag that has moved, tells of it, and leads those to it who use the name that stays', async () => {
    const repository = fresh()
    await pushArtifact(registry, repository, { files, tags: ['v1'] })
    await using one = await world(repository, { ref: { tag: 'v1' } })
    await one.run()
    const digest = await pushArtifact(registry, repository, { files: { 'new.yaml': 'a: 1\n' }, tags: ['v1'] })
    const { events, progress } = await one.run()
    expect(progress).toContain(`building artifact: new revision 'v1@${digest}' for '${registry.host}/${repository}:v1'`)
    expect(events).toEqual([`info NewArtifact: stored artifact with revision 'v1@${digest}' from '${registry.url(repository)}'`])
    expect(one.condition('ArtifactOutdated')).toBeUndefined()
    expect(await contentOf(one)).toEqual({ 'new.yaml': 'a: 1\n' })
    const latest = await readFile(join(one.directory, 'ocirepository/apps/podinfo/latest.tar.gz'))
    expect(digestOf(latest)).toBe(one.status.artifact?.digest)
  })

  it('F-OCI-01 stores no half of one image and half of another when the tag moves in between', async () => {
    const repository = fresh()
    await pushArtifact(registry, repository, { files: { a: 'old' }, tags: ['v1'] })
    const newer = await pushArtifact(registry, repository, { files: { a: 'new' } })
    registry.fault = ({ method, path }) => {
      if (method !== 'GET' || !path.includes(`${repository}/manifests/`)) return false
      registry.fault = undefined
      return tagImage(registry, repository, newer, 'v1')
    }
    await using one = await world(repository, { ref: { tag: 'v1' } })
    await one.run()
    expect(await contentOf(one)).toEqual({ a: 'old' })
    await one.run()
    expect(await contentOf(one)).toEqual({ a: 'new' })
    expect(one.status.artifact?.revision).toBe(`v1@${newer}`)
  })

  it('keeps what it has, and tells what is newer, when that cannot be had', async () => {
    const repository = fresh()
    await pushArtifact(registry, repository, { files, tags: ['v1'] })
    await using one = await world(repository, { ref: { tag: 'v1' } })
    await one.run()
    const { artifact } = one.status
    const digest = await pushArtifact(registry, repository, { files: { b: '1' }, tags: ['v1'] })
    registry.fault = ({ path }, response) => path.includes('/blobs/') && answer(response, 403)
    const { error } = await one.run()
    registry.fault = undefined
    expect(error).toBeInstanceOf(Retryable)
    expect(error).toMatchObject({ reason: 'OCIArtifactLayerOperationFailed' })
    expect(one.condition('ArtifactOutdated')).toMatchObject({ status: 'True', reason: 'NewRevision' })
    expect(one.condition('FetchFailed')).toMatchObject({ status: 'True', reason: 'OCIArtifactLayerOperationFailed' })
    expect(one.status.artifact).toEqual(artifact)
    const { events } = await one.run()
    expect(events).toEqual([`info NewArtifact: stored artifact with revision 'v1@${digest}' from '${registry.url(repository)}'`])
    expect(one.condition('FetchFailed')).toBeUndefined()
  })

  it('says that it has recovered when there is nothing new', async () => {
    const repository = fresh()
    const digest = await pushArtifact(registry, repository, { files, tags: ['v1'] })
    await using one = await world(repository, { ref: { tag: 'v1' } })
    await one.run()
    one.edit({ ref: { tag: 'none' } })
    expect((await one.run()).error?.message).toMatch(/^failed to determine artifact digest: .*MANIFEST_UNKNOWN/)
    one.edit({ ref: { tag: 'v1' } })
    expect((await one.run()).events).toContain(
      `info Succeeded: stored artifact with revision 'v1@${digest}' from '${registry.url(repository)}'`,
    )
  })

  it('makes an artifact again that has gone from the store', async () => {
    const repository = fresh()
    await pushArtifact(registry, repository, { files, tags: ['latest'] })
    await using one = await world(repository)
    await one.run()
    await rm(join(one.directory, 'ocirepository'), { recursive: true })
    const { progress } = await one.run()
    expect(progress).toContain('building artifact: disappeared from storage')
    expect(await contentOf(one)).toEqual(files)
  })

  it('removes all that it stored in the end', async () => {
    const repository = fresh()
    await pushArtifact(registry, repository, { files, tags: ['latest'] })
    await using one = await world(repository)
    await one.run()
    expect(await one.finalize()).toEqual(['trace GarbageCollectionSucceeded: garbage collected artifacts for deleted resource'])
    expect(await readdir(join(one.directory, 'ocirepository/apps')).catch(() => [])).toEqual([])
  })

  it('leaves nothing in the temporary folder', async () => {
    const repository = fresh()
    const copy = [{ mediaType: fluxContent, content: archiveOf(files) }]
    await pushImage(registry, repository, { layers: copy, tags: ['latest'] })
    await using one = await world(repository)
    const temporary = join(one.store.temporaryFile(), '..')
    await one.run()
    one.edit({ layerSelector: { operation: 'copy' } })
    await one.run()
    one.edit({ layerSelector: { mediaType: 'none' } })
    await one.run()
    expect(await readdir(temporary).catch(() => [])).toEqual([])
  })
})

describe('a reference', () => {
  it('SRC-OCI-01 SRC-ART-03 is a digest before a range, a range before a tag', async () => {
    const repository = fresh()
    const first = await pushArtifact(registry, repository, { files: { v: '1.0.0' }, tags: ['1.0.0'] })
    await pushArtifact(registry, repository, { files: { v: '1.1.0' }, tags: ['1.1.0'] })
    await pushArtifact(registry, repository, { files: { v: '2.0.0' }, tags: ['2.0.0', 'latest'] })
    await using one = await world(repository, { ref: { digest: first, semver: '1.x', tag: '2.0.0' } })
    await one.run()
    expect(one.status.artifact).toMatchObject({ revision: first, path: `ocirepository/apps/podinfo/${first}.tar.gz` })
    one.edit({ ref: { semver: '1.x', tag: '2.0.0' } })
    await one.run()
    expect(one.status.artifact?.revision).toMatch(/^1\.1\.0@sha256:/)
    one.edit({ ref: { tag: '2.0.0' } })
    await one.run()
    expect(one.status.artifact?.revision).toMatch(/^2\.0\.0@sha256:/)
  })

  it('SRC-OCI-01 SRC-OCI-02 is the newest version of a range among the tags that a filter leaves', async () => {
    const repository = fresh()
    const digest = await pushArtifact(registry, repository, { files })
    const tags = ['1.0.0', '1.9.0', '1.10.0', '1.11.0-rc.1', '1.12.0-staging', '1.12.0-prod', '2', 'main', 'v1.10.1']
    for (const tag of tags) await tagImage(registry, repository, digest, tag)
    await using one = await world(repository)
    const found = async (ref: OCIRepository['spec']['ref']) => {
      one.edit({ ...(ref && { ref }) })
      const { error } = await one.run()
      return error?.message ?? one.status.artifact?.revision.split('@')[0]
    }
    expect(await found({ semver: '1.x' })).toBe('v1.10.1')
    expect(await found({ semver: '<1.10.1' })).toBe('1.10.0')
    expect(await found({ semver: '>=1.0.0-0', semverFilter: '-rc' })).toBe('1.11.0-rc.1')
    expect(await found({ semver: '>=1.0.0-0', semverFilter: '.*-prod$' })).toBe('1.12.0-prod')
    const attempt = `failed to determine the artifact tag for '${registry.url(repository)}'`
    expect(await found({ semver: '>5' })).toBe(`${attempt}: no match found for semver: >5`)
    expect(await found({ semver: '1.x', semverFilter: 'nothing' })).toBe(`${attempt}: no match found for semver: 1.x`)
    expect(await found({ semver: '<<1' })).toMatch(`${attempt}: semver '<<1' parse error: `)
    expect(await found({ semver: '1.x', semverFilter: '(' })).toMatch(`${attempt}: spec.ref.semverFilter: `)
    expect(one.condition('FetchFailed')).toMatchObject({ status: 'True', reason: 'ReadOperationFailed' })
  })

  it('takes an underscore for a plus in the tags of charts', async () => {
    const repository = fresh()
    const layers = [{ mediaType: helmContent, content: archiveOf({ 'shop/Chart.yaml': 'name: shop\n' }) }]
    await pushImage(registry, repository, { layers, tags: ['1.0.0_build.7', '0.9.0'] })
    await using one = await world(repository, {
      ref: { semver: '1.x' },
      layerSelector: { mediaType: helmContent, operation: 'copy' },
    })
    await one.run()
    expect(one.status.artifact?.revision).toMatch(/^1\.0\.0_build\.7@sha256:/)
    one.edit({ layerSelector: { mediaType: fluxContent } })
    expect((await one.run()).error?.message).toContain('no match found for semver: 1.x')
  })

  it.each([
    [{ tag: '../../v2/other/manifests/latest' }, 'spec.ref.tag "../../v2/other/manifests/latest" is not a tag'],
    [{ digest: 'sha256:abc' }, 'spec.ref.digest "sha256:abc" is not a digest as sha256:<64 hexadecimal digits>'],
  ])('is nothing that leads elsewhere: %j', async (ref, message) => {
    await using one = await world(fresh(), { ref })
    const before = registry.requests.length
    const { error } = await one.run()
    expect(error).toMatchObject({ reason: 'OCIArtifactPullFailed', message: `failed to determine artifact digest: ${message}` })
    expect(requestsSince(before).filter((request) => request.includes('manifests'))).toEqual([])
  })

  it('F-OCI-02 whose content is another is refused, and both digests are named', async () => {
    const repository = fresh()
    const digest = await pushArtifact(registry, repository, { files })
    const forged = '{"layers":[]}'
    registry.fault = ({ path }, response) => path.includes('/manifests/') && answer(response, 200, {}, forged)
    await using one = await world(repository, { ref: { digest } })
    const { error } = await one.run()
    registry.fault = undefined
    expect(error).toMatchObject({ reason: 'OCIArtifactPullFailed' })
    expect(error?.message).toContain(`failed to pull artifact from '${registry.url(repository)}': `)
    for (const each of [digest, digestOf(Buffer.from(forged))]) expect(error?.message).toContain(each)
  })
})

/** Nothing but zeros, when it is unpacked. */
function bomb(megabytes: number): Buffer {
  const [part, parts] = [gzipSync(Buffer.alloc(50 * 1024 * 1024)), megabytes / 50]
  return Buffer.concat(Array.from({ length: parts }, () => part))
}

describe('layers', () => {
  const yaml = { mediaType: 'application/yaml', content: Buffer.from('kind: ConfigMap\n') }
  const archive = { mediaType: fluxContent, content: archiveOf(files) }

  it('SRC-OCI-03 F-OCI-03 are chosen by their media type, the first one when none is asked for', async () => {
    const repository = fresh()
    const second = { mediaType: 'application/vnd.second', content: archiveOf({ second: '2' }) }
    const again = { mediaType: 'application/vnd.second', content: archiveOf({ third: '3' }) }
    await pushImage(registry, repository, { layers: [archive, second, again], tags: ['latest'] })
    await using one = await world(repository)
    await one.run()
    expect(await contentOf(one)).toEqual(files)
    one.edit({ layerSelector: { mediaType: 'application/vnd.second' } })
    await one.run()
    expect(await contentOf(one)).toEqual({ second: '2' })
    expect(one.status.observedLayerSelector).toEqual({ mediaType: 'application/vnd.second' })
    one.edit({ layerSelector: { mediaType: 'application/none' } })
    const { error } = await one.run()
    expect(error).toMatchObject({
      reason: 'OCIArtifactLayerOperationFailed',
      message: "failed to find layer with media type 'application/none' in artifact",
    })
  })

  it('SRC-OCI-03 are kept byte for byte by copy', async () => {
    const repository = fresh()
    await pushImage(registry, repository, { layers: [yaml], tags: ['latest'] })
    await using one = await world(repository, { layerSelector: { operation: 'copy' } })
    const { error } = await one.run()
    expect(error).toBeUndefined()
    const { digest = '', path = '', size } = one.status.artifact ?? {}
    expect([digest, size]).toEqual([digestOf(yaml.content), yaml.content.length])
    expect(await readFile(join(one.directory, path))).toEqual(yaml.content)
  })

  it('F-OCI-03 that are none are named', async () => {
    const repository = fresh()
    await pushImage(registry, repository, { layers: [], tags: ['latest'] })
    await using one = await world(repository)
    expect((await one.run()).error).toMatchObject({
      reason: 'OCIArtifactLayerOperationFailed',
      message: 'no layers found in artifact',
    })
  })

  it('leave out what the ignore rules say, and are made again when those change', async () => {
    const repository = fresh()
    const content = {
      'a.yaml': 'a',
      'b.yaml': 'b',
      'c.yaml': 'c',
      '.sourceignore': 'b.yaml\n',
      'sub/.sourceignore': 'x\n',
      'sub/x': 'x',
    }
    await pushArtifact(registry, repository, { files: content, tags: ['latest'] })
    await using one = await world(repository)
    await one.run()
    expect(Object.keys(await contentOf(one)).sort()).toEqual(['.sourceignore', 'a.yaml', 'c.yaml', 'sub/.sourceignore'])
    one.edit({ ignore: 'c.yaml\n!b.yaml\n' })
    const { events } = await one.run()
    expect(Object.keys(await contentOf(one)).sort()).toEqual(['.sourceignore', 'a.yaml', 'b.yaml', 'sub/.sourceignore'])
    expect(events[0]).toMatch(/^info NewArtifact/)
    expect(one.status.observedIgnore).toBe('c.yaml\n!b.yaml\n')
    expect((await one.run()).events[0]).toMatch(/^trace ArtifactUpToDate/)
  })

  const hostile: readonly (readonly [string, Buffer, RegExp])[] = [
    ['a path that leads upwards', rawArchive({ path: '../../etc/passwd', body: 'x' }), /"\.\.\/\.\.\/etc\/passwd" refused/],
    ['an absolute path', rawArchive({ path: '/etc/passwd', body: 'x' }), /refused/],
    ['a hard link', rawArchive({ path: 'a', type: 'Link', linkpath: '/etc/passwd' }), /refused/],
    ['no archive', Buffer.from('kind: ConfigMap\n'), /archive is not valid gzip/],
    ['half of an archive', archiveOf({ a: 'x'.repeat(10_000) }).subarray(0, 60), /archive is (not valid gzip|truncated)/],
    ['a bomb', bomb(1100), /larger than 1073741824 bytes/],
  ]
  it.each(hostile)('that are hostile are refused: %s', async (_, content, message) => {
    const repository = fresh()
    await pushImage(registry, repository, { layers: [{ mediaType: fluxContent, content }], tags: ['latest'] })
    await using one = await world(repository)
    const { error } = await one.run()
    expect(error).toMatchObject({ reason: 'OCIArtifactLayerOperationFailed' })
    expect(error?.message).toMatch(/^failed to extract layer contents from artifact: /)
    expect(error?.message).toMatch(message)
    expect(error?.message).not.toContain(one.directory)
    expect(one.status.artifact).toBeUndefined()
  })

  it('lose their symbolic links, and nothing else, however large it is', async () => {
    const large = 'abcdefghij'.repeat(100_000)
    const repository = fresh()
    const content = rawArchive({ path: 'link', type: 'SymbolicLink', linkpath: '/etc/passwd' }, { path: 'a', body: large })
    await pushImage(registry, repository, { layers: [{ mediaType: fluxContent, content }], tags: ['latest'] })
    await using one = await world(repository)
    await one.run()
    expect((await contentOf(one)).a === large).toBe(true)
    expect(Object.keys(await contentOf(one))).toEqual(['a'])
  })

  it('tell in their manifest no more than fits into a status', async () => {
    const repository = fresh()
    const annotations = { story: 'x'.repeat(300_000) }
    await pushImage(registry, repository, { layers: [archive], annotations, tags: ['latest'] })
    await using one = await world(repository)
    expect((await one.run()).error?.message).toMatch(/^the annotations of the manifest have 30\d{4} bytes, more than the 262144/)
  })

  it('of a digest that is not sha256 are stored under one that is', async () => {
    const repository = fresh()
    const { content }: PushedLayer = archive
    const digest = `sha512:${createHash('sha512').update(content).digest('hex')}`
    const manifest = JSON.stringify({ schemaVersion: 2, layers: [{ mediaType: fluxContent, digest, size: content.length }] })
    registry.fault = ({ path }, response) => {
      if (path.includes('/manifests/')) return answer(response, 200, { 'content-type': 'application/json' }, manifest)
      return path.includes('/blobs/sha512:') && answer(response, 200, {}, content)
    }
    await using one = await world(repository, { layerSelector: { operation: 'copy' } })
    const { error } = await one.run()
    registry.fault = undefined
    expect(error).toBeUndefined()
    expect(one.status.artifact?.digest).toBe(digestOf(content))
  })

  it('that are gone are named', async () => {
    const repository = fresh()
    const digest = await pushArtifact(registry, repository, { files, tags: ['v1'] })
    await deleteManifest(registry, repository, digest)
    await using one = await world(repository, { ref: { digest } })
    expect((await one.run()).error).toMatchObject({ reason: 'OCIArtifactPullFailed' })
  })
})

describe('an address', () => {
  it.each([
    ['oci://ghcr.io/org/app:v1', 'must not contain a tag'],
    ['oci://ghcr.io/Org/app', 'lower-case letters'],
    ['oci://', 'lower-case letters'],
  ])('is stalled: %s', async (url, message) => {
    await using one = await OciWorld.create({ url })
    const { error } = await one.run()
    expect(error).toBeInstanceOf(Stalled)
    expect(error).toMatchObject({ reason: 'URLInvalid' })
    expect(error?.message).toMatch(new RegExp(`^URL validation failed for '${url}': .*${message}`))
    expect(one.condition('FetchFailed')).toMatchObject({ status: 'True', reason: 'URLInvalid' })
  })
})

describe('fields that are not built yet', () => {
  const secret = { name: 's' }
  it.each<[Partial<OCIRepository['spec']>, string | undefined]>([
    [{}, undefined],
    [{ provider: 'generic', insecure: true, serviceAccountName: 'a', layerSelector: { operation: 'copy' } }, undefined],
    [{ verify: { provider: 'cosign' } }, 'spec.verify'],
    [{ provider: 'aws' }, 'spec.provider'],
    [{ provider: 'azure', certSecretRef: secret }, 'spec.provider'],
    [{ provider: 'gcp', secretRef: secret }, undefined],
    [{ provider: 'gcp', serviceAccountName: 'a' }, undefined],
  ])('%j: %s', (spec, field) => {
    const object = { spec: { url: 'oci://ghcr.io/org/app', interval: '1m', ...spec } } as OCIRepository
    expect(ociRepositoryLoop.unsupported.find((unsupported) => unsupported.isUsed(object))?.field).toBe(field)
  })
})
