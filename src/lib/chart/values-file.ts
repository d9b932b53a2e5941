/** Values as text: values.yaml of a chart and the files that users give. */

import { BuildError, messageOf } from '../errors.ts'
import { type Dict, textOf } from '../gotemplate/value.ts'
import { mergeMaps } from './table.ts'
import { readYamlMap } from './yaml.ts'

/**
 * Reads one or more documents and merges them, later ones over earlier ones. Every number is a float64.
 * @throws BuildError with Helm's text.
 * Source: helm pkg/chart/v2/loader LoadValues, k8s.io/apimachinery YAMLReader.
 */
export function readValues(source: string | Uint8Array): Dict {
  const text = typeof source === 'string' ? source : textOf(source)
  let values: Dict = new Map()
  for (const document of documentsOf(text)) values = mergeMaps(values, readDocument(document))
  return values
}

function readDocument(document: string): Dict {
  try {
    return readYamlMap(document)
  } catch (error) {
    throw new BuildError(`cannot unmarshal yaml document: ${messageOf(error)}`, {}, { cause: error })
  }
}

/** Documents end at lines that begin with `---`; a separator that nothing precedes belongs to what follows. */
function* documentsOf(text: string): Iterable<string> {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  let document: string[] = []
  for (const given of lines) {
    const line = given.endsWith('\r') ? given.slice(0, -1) : given
    if (line.startsWith('---')) {
      refuseContent(line.slice(3).trim())
      if (document.length > 0) {
        yield `${document.join('\n')}\n`
        document = []
        continue
      }
    }
    document.push(line)
  }
  if (document.length > 0) yield `${document.join('\n')}\n`
}

function refuseContent(behindSeparator: string): void {
  if (behindSeparator === '' || behindSeparator.startsWith('#')) return
  throw new BuildError(`error reading yaml document: invalid Yaml document separator: ${behindSeparator}`)
}
