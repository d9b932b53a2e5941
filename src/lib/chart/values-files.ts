/** Values that are put together from several files. */

import { BuildError, messageOf } from '../errors.ts'
import { type Dict, textOf } from '../gotemplate/value.ts'
import { mergeMaps } from './table.ts'
import { readYamlMap } from './yaml.ts'

export interface MergedValues {
  readonly values: Dict
  /** The files that were there. */
  readonly used: readonly string[]
}

export interface ValuesFilesOptions {
  /** A file's content, or values that are read already; undefined when there is no such file. @throws Error for what is no file. */
  read(path: string): Uint8Array | Dict | undefined
  /** Whether files that are not there are left out. */
  readonly ignoreMissing: boolean
}

/**
 * Merges files in their order, later ones over earlier ones.
 * @throws BuildError for a file that is missing or no YAML map.
 * Source: mergeFileValues and mergeChartValues of source-controller.
 */
export function mergeValuesFiles(paths: readonly string[], { read, ignoreMissing }: ValuesFilesOptions): MergedValues {
  let values: Dict = new Map()
  const used: string[] = []
  for (const path of paths) {
    const found = read(path)
    if (!found && ignoreMissing) continue
    if (!found) throw new BuildError(`no values file found at path '${path}'`)
    values = mergeMaps(values, found instanceof Map ? found : parsed(path, found))
    used.push(path)
  }
  return { values, used }
}

function parsed(path: string, data: Uint8Array): Dict {
  try {
    return readYamlMap(textOf(data))
  } catch (error) {
    throw new BuildError(`unmarshaling values from '${path}' failed: ${messageOf(error)}`, {}, { cause: error })
  }
}
