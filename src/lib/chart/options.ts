/** Values as users give them to a release: files and `--set` flags. */

import { BuildError, messageOf } from '../errors.ts'
import { parseGoJson } from '../gotemplate/gojson.ts'
import type { Dict } from '../gotemplate/value.ts'
import { applySet, applySetFile, applySetJson, applySetLiteral, applySetString } from './strvals.ts'
import { copyTable, isTable, mergeMaps } from './table.ts'
import { readValues } from './values-file.ts'

/** What `-f` and the flags are given, each in its order. */
export interface ValueOptions {
  /** `-f`: YAML text under the name of its file, or values that are read already. */
  readonly files?: readonly ({ readonly name: string; readonly content: string | Uint8Array } | Dict)[]
  readonly setJson?: readonly string[]
  readonly set?: readonly string[]
  readonly setString?: readonly string[]
  readonly setFile?: readonly string[]
  readonly setLiteral?: readonly string[]
  /** The text of a file that `--set-file` names. */
  readonly readFile?: (name: string) => string
}

/**
 * One table of values: files first, then the flags in Helm's order, whatever the order on the command line. Nothing given is changed.
 * @throws BuildError with Helm's text.
 * Source: helm pkg/cli/values/options.go.
 */
export function mergeValues(options: ValueOptions): Dict {
  const { files = [], setJson = [], set = [], setString = [], setFile = [], setLiteral = [], readFile = missingFile } = options
  let values: Dict = new Map()
  for (const file of files) values = mergeMaps(values, readFileValues(file))
  for (const text of setJson) values = withJson(values, text)
  applyEach(set, '--set', (text) => applySet(text, values))
  applyEach(setString, '--set-string', (text) => applySetString(text, values))
  applyEach(setFile, '--set-file', (text) => applySetFile(text, values, readFile))
  applyEach(setLiteral, '--set-literal', (text) => applySetLiteral(text, values))
  return values
}

function readFileValues(file: { readonly name: string; readonly content: string | Uint8Array } | Dict): Dict {
  if (file instanceof Map) return copyTable(file)
  try {
    return readValues(file.content)
  } catch (error) {
    throw new BuildError(`failed to parse ${file.name}: ${messageOf(error)}`, {}, { cause: error })
  }
}

/** Either an object, or names with JSON for values. */
function withJson(values: Dict, text: string): Dict {
  if (!text.trim().startsWith('{')) {
    orElse(`failed parsing --set-json data ${text}`, () => applySetJson(text, values))
    return values
  }
  const given = orElse(`failed parsing --set-json data JSON: ${text}`, () => parseGoJson(text.trim()))
  return isTable(given) ? mergeMaps(values, given) : values
}

function orElse<T>(message: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw new BuildError(message, {}, { cause: error })
  }
}

function applyEach(texts: readonly string[], flag: string, apply: (text: string) => void): void {
  for (const text of texts) {
    try {
      apply(text)
    } catch (error) {
      throw new BuildError(`failed parsing ${flag} data: ${messageOf(error)}`, {}, { cause: error })
    }
  }
}

function missingFile(name: string): never {
  throw new BuildError(`open ${name}: no such file or directory`)
}
