/** The heavy half of a HelmChart out of another source's files, in a worker thread: reads what it is called, and packs it. */
import { lstat, readFile } from 'node:fs/promises'
import { type Chart, headOfFolder, headOfPackage, loadChart, mergeValuesFiles, withValues } from '../lib/chart/index.ts'
import { BuildError, messageOf } from '../lib/errors.ts'
import type { TaskContext } from '../runtime/workers.ts'
import { addDependencies } from './chart-dependencies.ts'
import { boundedTree, pathInside } from './chart-files.ts'
import { attempt, packTo, writePackage } from './chart-pull.ts'
import type { ChartFiles, Inspected, InspectInput, PackageInput, PackageOutput } from './chart-tasks.ts'
import { ChartError } from './failure.ts'

/** @throws ChartError */
export async function inspectChart({ limits, ...where }: InspectInput): Promise<Inspected> {
  try {
    const found = await locate(where)
    const head = found.isFolder
      ? headOfFolder(boundedTree(where.directory, found.path, limits.fileBytes), { maxFileBytes: limits.fileBytes })
      : headOfPackage(await readPackage(where.directory, found.path, limits.chartBytes), { maxFileBytes: limits.fileBytes })
    return { name: head.name, version: head.version, isFolder: found.isFolder }
  } catch (error) {
    throw new ChartError('InvalidChartReference', messageOf(error), { cause: error })
  }
}

/** @throws ChartError, system errors of the disk. */
export async function packageChart(input: PackageInput, { signal }: TaskContext): Promise<PackageOutput> {
  const { directory, limits } = input
  const found = await locate(input)
  const archive = found.isFolder ? undefined : await readPackage(directory, found.path, limits.chartBytes)
  if (archive && !input.isPackaged) return { ...(await writePackage(archive, input)), valuesFiles: [], dependencies: 0 }

  const merged = valuesOf(input)
  const loaded = attempt('ChartPackageError', '', () =>
    loadChart(archive ? { archive } : boundedTree(directory, found.path, limits.fileBytes)),
  )
  const changed = merged && attempt('ValuesFilesError', '', () => withValues(loaded, merged.values))
  const told = { valuesFiles: changed && merged ? merged.used : [], dependencies: 0 }
  const chart: Chart = changed ?? loaded
  if (!found.isFolder) return packTo(chart, told, input)

  const whole = await addDependencies(chart, { ...input, chartPath: found.path, signal })
  if ('lacking' in whole) return whole
  return packTo(whole.chart, { ...told, dependencies: whole.added }, input)
}

/** Their paths are those of the source, not of the chart. */
function valuesOf({ directory, valuesFiles, ignoreMissingValuesFiles: ignoreMissing, limits }: PackageInput) {
  if (valuesFiles.length === 0) return undefined
  const tree = boundedTree(directory, '', limits.fileBytes)
  const read = (path: string) => {
    const inside = pathInside(path)
    const found = tree.read(inside)
    if (found || (ignoreMissing && !tree.list(inside))) return found
    throw new BuildError(`no values file found at path '/${inside}' (reference '${path}')`)
  }
  return attempt('ValuesFilesError', '', () => mergeValuesFiles(valuesFiles, { read, ignoreMissing }))
}

/** @throws Error for a path that leads to nothing. Source: LocalReference of source-controller. */
async function locate({ directory, path }: ChartFiles): Promise<{ readonly path: string; readonly isFolder: boolean }> {
  if (path === '') throw new Error('no path set for local chart reference')
  if (path.startsWith('/')) throw new Error('local chart reference path is expected to be relative')
  const inside = pathInside(path)
  const stats = await lstat(`${directory}/${inside}`).catch(() => undefined)
  if (!stats) throw new Error(`stat ${inside}: no such file or directory`)
  return { path: inside, isFolder: stats.isDirectory() }
}

async function readPackage(directory: string, path: string, maxBytes: number): Promise<Buffer> {
  const file = `${directory}/${path}`
  const { size } = await lstat(file)
  if (size > maxBytes) throw new Error(`size of chart '${path}' exceeds '${maxBytes}' bytes limit`)
  return readFile(file)
}
