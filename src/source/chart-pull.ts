/** The heavy half of a HelmChart out of a repository, in a worker thread: finds the version, downloads it, and packs it anew if it must. */
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { posix } from 'node:path'
import { type Chart, headOfPackage, loadChart, mergeValuesFiles, packChart, withValues } from '../lib/chart/index.ts'
import { messageOf } from '../lib/errors.ts'
import type { TaskContext } from '../runtime/workers.ts'
import { downloadChart, findChart, isRefusal, NotOffered } from './chart-repository.ts'
import type { ChartVersion, FindInput, Packed, Packing, PullInput } from './chart-tasks.ts'
import { ChartError, type ChartFault } from './failure.ts'

/** @throws ChartError */
export async function findVersion({ repository, limits, ...request }: FindInput, { signal }: TaskContext): Promise<ChartVersion> {
  try {
    return await findChart(repository, request, { limits, signal })
  } catch (error) {
    signal.throwIfAborted()
    const fault = error instanceof NotOffered ? 'InvalidChartReference' : 'ChartPullError'
    throw failure(fault, 'failed to get chart version for remote reference', error)
  }
}

/** @throws ChartError, system errors of the disk. */
export async function pullChart(input: PullInput, { signal }: TaskContext): Promise<Packed> {
  const { repository, chart, limits } = input
  const archive = await downloadChart(repository, chart, { limits, signal }).catch((error: unknown) => {
    signal.throwIfAborted()
    throw failure('ChartPullError', 'failed to download chart for remote reference', error)
  })
  if (input.isPackaged) return repack(archive, input)
  attempt('ChartPullError', 'failed to load chart metadata from written chart', () =>
    headOfPackage(archive, { maxFileBytes: limits.fileBytes }),
  )
  return { ...(await writePackage(archive, input)), valuesFiles: [], dependencies: 0 }
}

function repack(archive: Buffer, input: PullInput): Promise<Packed> {
  const loaded = attempt('ChartPackageError', 'failed to load downloaded chart', () => loadChart({ archive }))
  const { values, used } = attempt('ValuesFilesError', 'failed to merge chart values', () =>
    mergeValuesFiles(input.valuesFiles, {
      read: (path) => {
        const name = posix.normalize(path)
        return name === 'values.yaml' ? loaded.values : loaded.files.find((file) => file.name === name)?.data
      },
      ignoreMissing: input.ignoreMissingValuesFiles,
    }),
  )
  const changed = attempt('ValuesFilesError', '', () => withValues(loaded, values))
  return packTo(changed ?? loaded, { valuesFiles: changed ? used : [], dependencies: 0 }, input)
}

/** Packs a chart under its new version. @throws ChartError */
export async function packTo(chart: Chart, told: Pick<Packed, 'valuesFiles' | 'dependencies'>, packing: Packing): Promise<Packed> {
  const { version } = packing
  const archive = attempt('ChartPackageError', 'failed to package chart', () =>
    packChart({ ...chart, metadata: { ...chart.metadata, version } }),
  )
  return { ...(await writePackage(archive, packing)), ...told }
}

/** The file as it is. */
export async function writePackage(archive: Uint8Array, { file }: Packing): Promise<Pick<Packed, 'digest' | 'sizeBytes'>> {
  await writeFile(file, archive, { mode: 0o600 })
  return { digest: `sha256:${createHash('sha256').update(archive).digest('hex')}`, sizeBytes: archive.length }
}

/** Says what was being attempted. @throws ChartError */
export function attempt<T>(fault: ChartFault, what: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw failure(fault, what, error)
  }
}

function failure(fault: ChartFault, what: string, error: unknown): ChartError {
  const message = `${what}${what && ': '}${messageOf(error)}`
  return new ChartError(fault, message, { cause: error, refused: isRefusal(error) })
}
