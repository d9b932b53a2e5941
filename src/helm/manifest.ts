/** Manifests and charts in a worker: what they hold. */
import { readFile } from 'node:fs/promises'
import type { KubeObject } from '../api/object.ts'
import { crdsOf } from '../lib/chart/crds.ts'
import { loadChart } from '../lib/chart/index.ts'
import { isRecord } from '../lib/json.ts'
import { loadAll } from '../lib/yaml/index.ts'
import type { ChartHead, ObjectHead } from './manifest-task.ts'

/** The objects of a manifest, those of lists one by one. Source: fluxcd/pkg/ssa/utils ReadObjects. */
export function readManifest({ manifest }: { readonly manifest: string }): readonly KubeObject[] {
  return loadAll(manifest, { dialect: 'sigs' }).flatMap((document) => objectsOf(document))
}

export function readHeads(input: { readonly manifest: string }): readonly ObjectHead[] {
  return readManifest(input).map(headOf)
}

/** @throws BuildError with Helm's text for what is no chart. */
export async function readChart({ file }: { readonly file: string }): Promise<ChartHead> {
  const chart = loadChart({ archive: await readFile(file) })
  const crds = crdsOf(chart).flatMap(({ data }) => readHeads({ manifest: Buffer.from(data).toString() }))
  return { metadata: chart.metadata, crds }
}

function objectsOf(document: unknown): KubeObject[] {
  if (!isRecord(document)) return []
  if (Array.isArray(document.items)) return document.items.filter(isObject)
  const isKustomization = document.kind === 'Kustomization' && String(document.apiVersion).startsWith('kustomize.config.k8s.io/')
  return isObject(document) && !isKustomization ? [document] : []
}

function isObject(value: unknown): value is KubeObject {
  if (!isRecord(value) || !value.apiVersion || !value.kind) return false
  return isRecord(value.metadata) && Boolean(value.metadata.name)
}

function headOf({ apiVersion, kind, metadata }: KubeObject): ObjectHead {
  const { name, namespace, annotations } = metadata
  return { apiVersion, kind, metadata: { name, ...(namespace && { namespace }), ...(annotations && { annotations }) } }
}
