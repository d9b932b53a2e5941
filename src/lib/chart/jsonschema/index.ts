/**
 * JSON Schema, drafts 4 to 2020-12, with the behaviour and the messages of santhosh-tekuri/jsonschema v6, which Helm uses.
 *
 * An interpreter, not a generator of code: a schema is somebody else's program, and its messages form a tree that Helm shows.
 */

import { BuildError } from '../../errors.ts'
import { LimitError } from '../../gotemplate/environment.ts'
import { quote } from '../../gotemplate/strconv.ts'
import type { Dict } from '../../gotemplate/value.ts'
import { Compiler } from './compile.ts'
import { parseDocument } from './document.ts'
import type { Draft } from './drafts.ts'
import { describe, type Failure, type Path, pointerTo } from './failure.ts'
import { addressText } from './location.ts'
import { Documents, type Judge, type ReadDocument } from './roots.ts'
import type { Schema } from './schema.ts'
import { validate } from './validate.ts'

export interface SchemaOptions {
  /** Where the schema is said to be. */
  readonly url: string
  /** Gives the text of a schema at another URL. Throws where there is none; without it there is none anywhere. */
  readonly read: ReadDocument
  /** How many times schemas may look at values. Default 2 million. */
  readonly maxSteps?: number
}

/** A schema, ready to check values. */
export interface CompiledSchema {
  /** What is wrong with values, in lines; undefined when nothing is. @throws LimitError when the schema takes too long. */
  problem(values: Dict): string | undefined
}

const defaultSteps = 2_000_000

/**
 * Compiles the text of a schema.
 * @throws BuildError for what is no JSON, no schema by its metaschema, or refers to nowhere; LimitError.
 */
export function compileSchema(text: string, { url, read, maxSteps = defaultSteps }: SchemaOptions): CompiledSchema {
  const documents = new Documents(new Map([[url, parseDocument(text)]]), judgeIn(maxSteps), read)
  const schema = bounded(() => new Compiler(documents).compile(url))
  return {
    problem(values) {
      const failure = bounded(() => validate(schema, values, { steps: maxSteps }))
      return failure && describe(whole(schema, failure))
    },
  }
}

/** Nesting is bounded by the stack, which is no error of the schema's author alone. */
function bounded<T>(action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (error instanceof RangeError) throw new LimitError('the schema or the values are nested too deeply', { cause: error })
    throw error
  }
}

function whole(schema: Schema, failure: Failure): Failure {
  const causes = failure.role === 'group' ? failure.causes : [failure]
  return { path: undefined, message: () => `jsonschema validation failed with '${schema.location}'`, causes, role: 'root' }
}

/** Checks schemas by the metaschema of their draft, and the parts that have another draft by theirs, all together in so many steps. */
function judgeIn(maxSteps: number): Judge {
  const run = { steps: maxSteps }
  return (root, doc, pointer) => {
    const at = (place: string) => root.resources.get(place)?.draft
    const meta = metaschema((at(pointer) ?? root.top().draft).url)
    const metaschemaAt = (schema: Schema, path: Path | undefined) => {
      const draft = schema === meta ? at(pointerTo(path)) : undefined
      return draft && metaschema(draft.url)
    }
    const failure = validate(meta, doc, Object.assign(run, { metaschemaAt }))
    if (!failure) return
    const reason = describe(whole(meta, failure))
    throw new BuildError(`${quote(addressText({ url: root.url, pointer }))} is not valid against metaschema: ${reason}`)
  }
}

const compiled = new Map<Draft['url'], Schema>()

function metaschema(url: Draft['url']): Schema {
  const known = compiled.get(url)
  if (known) return known
  const read = () => {
    throw new BuildError('no such metaschema')
  }
  const documents = new Documents(new Map(), () => {}, read)
  const schema = new Compiler(documents, { assertFormats: true }).compile(url)
  compiled.set(url, schema)
  return schema
}
