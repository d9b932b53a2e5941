/** Chart.yaml alone: what a chart is called, without reading the rest of it. */

import { BuildError, messageOf } from '../errors.ts'
import { textOf } from '../gotemplate/value.ts'
import type { Tree } from '../tree.ts'
import { readArchive } from './archive.ts'
import type { Metadata } from './chart.ts'
import { checkMetadata, type MetadataDraft, readMetadata } from './metadata.ts'

const chartFile = 'Chart.yaml'
/** Charts of the old version have their dependencies in a file of their own. */
const requirementsFile = 'requirements.yaml'

export interface HeadLimits {
  /** Bytes of each of the files that are read. */
  readonly maxFileBytes: number
}

/** What a folder or package says in its top directory; undefined for a file that is not there. */
type ReadFile = (name: string) => Uint8Array | undefined

/** @throws BuildError for what is no chart. Source: LoadChartMetadataFromDir of source-controller. */
export function headOfFolder(tree: Tree, limits: HeadLimits): Metadata {
  return headOf((name) => tree.read(name), limits, 'open Chart.yaml: no such file or directory')
}

/** @throws BuildError for what is no packed chart. Source: LoadChartMetadataFromArchive of source-controller. */
export function headOfPackage(archive: Uint8Array, limits: HeadLimits): Metadata {
  const files = readArchive(archive, { maxBytes: 100 * 1024 * 1024, bytes: 100 * 1024 * 1024, entries: 50_000 })
  return headOf((wanted) => files.find(({ name }) => name === wanted)?.data, limits, "no 'Chart.yaml' found")
}

function headOf(read: ReadFile, { maxFileBytes }: HeadLimits, missing: string): Metadata {
  let draft: MetadataDraft = {}
  for (const name of [chartFile, requirementsFile]) {
    const data = read(name)
    if (!data && name === chartFile) throw new BuildError(missing)
    if (!data || data.length === 0) continue
    if (data.length > maxFileBytes) throw new BuildError(`size of '${name}' exceeds '${maxFileBytes}' bytes limit`)
    draft = readOnTop(draft, name, data)
  }
  return checkMetadata({ ...draft, apiVersion: draft.apiVersion || 'v1' })
}

function readOnTop(draft: MetadataDraft, name: string, data: Uint8Array): MetadataDraft {
  try {
    return readMetadata(textOf(data), draft)
  } catch (error) {
    throw new BuildError(`cannot load '${name}': ${messageOf(error)}`, {}, { cause: error })
  }
}
