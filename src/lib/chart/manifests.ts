/** Rendered files → documents: manifests in install order, and hooks. Source: helm pkg/release/v1/util/manifest.go, manifest_sorter.go. */

import { messageOf } from '../errors.ts'
import type { Hook, Manifest } from './chart.ts'
import { decodeYaml, pointerTo, struct, text, textMap } from './decode.ts'
import { RenderError } from './engine-errors.ts'
import { hookOf, isHook } from './hooks.ts'
import { compareText, type KindOrder, sortByKind } from './order.ts'
import { trimSpaceLeft } from './space.ts'

/** What Helm reads of a document. */
export interface Head {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata?: Partial<HeadMetadata>
}

interface HeadMetadata {
  readonly name: string
  readonly annotations: ReadonlyMap<string, string>
}

export interface Documents {
  readonly manifests: readonly Manifest[]
  readonly hooks: readonly Hook[]
}

const headShape = struct<Head>('SimpleHead', 'util.SimpleHead', {
  apiVersion: { json: 'apiVersion', shape: text },
  kind: { json: 'kind', shape: text },
  metadata: {
    json: 'metadata',
    shape: pointerTo(
      struct<HeadMetadata>('', 'struct { Name string "json:\\"name\\""; Annotations map[string]string "json:\\"annotations\\"" }', {
        name: { json: 'name', shape: text },
        annotations: { json: 'annotations', shape: textMap() },
      }),
    ),
  },
})

/**
 * Splits and sorts rendered files, by path first. Documents whose hook event is not known are left out.
 * @throws RenderError `YAML parse error on app/templates/a.yaml: …`.
 */
export function sortManifests(files: ReadonlyMap<string, string>, order: KindOrder): Documents {
  const manifests: Manifest[] = []
  const hooks: Hook[] = []
  for (const [path, content] of [...files].sort(([a], [b]) => compareText(a, b))) {
    if (isPartial(path)) continue
    for (const document of splitManifests(content)) {
      const head = headOf(document, path)
      if (!isHook(head)) manifests.push({ path, kind: head.kind, content: document })
      else hooks.push(...hookOf(document, path, head))
    }
  }
  return { manifests: sortByKind(manifests, order), hooks: sortByKind(hooks, order) }
}

/** Whether a template is only there for others: its name begins with `_`. */
export function isPartial(path: string): boolean {
  return path.startsWith('_', path.lastIndexOf('/') + 1)
}

/** The documents of a text that are not blank. `---` at the start of any line divides, whatever follows it. */
export function splitManifests(text: string): string[] {
  return trimSpaceLeft(text)
    .split(divider)
    .map(trimSpaceLeft)
    .filter((document) => document !== '')
}

/** Only `\n` ends a line here, as in RE2. */
const divider = /(?<![^\n])---[ \t]*/

function headOf(document: string, path: string): Head {
  try {
    return { apiVersion: '', kind: '', ...decodeYaml(document, headShape) }
  } catch (error) {
    throw new RenderError(`YAML parse error on ${path}: ${messageOf(error)}`, { file: path }, { cause: error })
  }
}
