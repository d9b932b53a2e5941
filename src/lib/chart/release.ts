/**
 * Releases as Helm keeps them in a cluster: a Secret for each revision, the release in it as JSON, gzip, base64.
 * Source: helm pkg/release/v1, pkg/storage/driver/secrets.go, util.go.
 */

import { gunzipSync, gzipSync } from 'node:zlib'
import { BuildError, messageOf } from '../errors.ts'
import type { Dict } from '../gotemplate/value.ts'
import { parseJson } from '../json.ts'
import type { Chart, Hook } from './chart.ts'
import { releaseFromJson } from './release-decode.ts'
import { releaseToJson } from './release-encode.ts'

export type ReleaseStatus =
  | 'unknown'
  | 'deployed'
  | 'uninstalled'
  | 'superseded'
  | 'failed'
  | 'uninstalling'
  | 'pending-install'
  | 'pending-upgrade'
  | 'pending-rollback'

/** One revision of a release. Times are RFC 3339, as Go prints them. */
export interface Release {
  readonly name: string
  readonly namespace: string
  /** The revision, from 1. */
  readonly version: number
  readonly info: ReleaseRecord
  /** With its dependencies processed. What comes out of storage has neither dependencies nor raw files. */
  readonly chart: Chart
  /** The values that the user gave. */
  readonly config: Dict
  readonly manifest: string
  readonly hooks: readonly ReleaseHook[]
  /** Those of the user: they are labels of the Secret, and not part of the JSON. */
  readonly labels?: ReadonlyMap<string, string>
  /** How it was applied: by the server (`ssa`) or the client; absent in releases of Helm 3. */
  readonly applyMethod?: 'ssa' | 'csa'
}

export interface ReleaseRecord {
  readonly firstDeployed?: string
  readonly lastDeployed?: string
  readonly deleted?: string
  readonly description?: string
  readonly status: ReleaseStatus
  /** The revision that a rollback went back to. */
  readonly rollbackRevision?: number
  readonly notes?: string
}

export interface ReleaseHook extends Hook {
  readonly lastRun?: HookRun
}

export interface HookRun {
  readonly startedAt?: string
  readonly completedAt?: string
  readonly phase: 'Unknown' | 'Running' | 'Succeeded' | 'Failed'
}

/** Whose form is written: each Helm reads that of the other. */
export interface EncodeOptions {
  readonly form?: 'helm3' | 'helm4'
}

/** What a Secret of Helm holds, as far as it decides. */
export interface ReleaseSecret {
  readonly name: string
  readonly type: typeof secretType
  readonly labels: Readonly<Record<string, string>>
  /** Base64 text, which is the (unencoded) value of the key `release`. */
  readonly release: string
}

export const secretType = 'helm.sh/release.v1'

/** Bytes of the JSON of a release: a Secret holds 1 MiB, which compresses a lot more than that. */
const maxReleaseBytes = 128 * 1024 * 1024

/** `sh.helm.release.v1.web.v3`. */
export function secretName(name: string, version: number): string {
  return `sh.helm.release.v1.${name}.v${version}`
}

/** The Secret of a revision; `createdAt` and `modifiedAt` (seconds since the epoch) are labels that the one who stores it adds. */
export function secretOf(release: Release, options: EncodeOptions = {}): ReleaseSecret {
  const { name, version, info, labels = new Map<string, string>() } = release
  return {
    name: secretName(name, version),
    type: secretType,
    labels: { ...Object.fromEntries(labels), name, owner: 'helm', status: info.status, version: String(version) },
    release: encodeRelease(release, options),
  }
}

/** Labels that belong to Helm. Source: driver.GetSystemLabels. */
const systemLabels: ReadonlySet<string> = new Set(['name', 'owner', 'status', 'version', 'createdAt', 'modifiedAt'])

/** The user's labels among those of a Secret. */
export function userLabels(labels: Readonly<Record<string, string>>): Map<string, string> {
  return new Map(Object.entries(labels).filter(([key]) => !systemLabels.has(key)))
}

/** The text of a Secret's key `release`. */
export function encodeRelease(release: Release, { form = 'helm4' }: EncodeOptions = {}): string {
  return gzipSync(releaseToJson(release, form), { level: 9 }).toString('base64')
}

/**
 * Reads the text of a Secret's key `release`; releases from before compression are read too.
 * @throws BuildError
 */
export function decodeRelease(text: string, { maxBytes = maxReleaseBytes }: { readonly maxBytes?: number } = {}): Release {
  try {
    const bytes = Buffer.from(text, 'base64')
    const isCompressed = bytes.length > 3 && bytes.subarray(0, 3).equals(gzipMagic)
    const json = isCompressed ? gunzipSync(bytes, { maxOutputLength: maxBytes }) : bytes
    return releaseFromJson(parseJson(json.toString('utf8')))
  } catch (error) {
    throw new BuildError(`release cannot be read: ${messageOf(error)}`, {}, { cause: error })
  }
}

const gzipMagic = Buffer.from([0x1f, 0x8b, 0x08])
