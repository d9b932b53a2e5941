/** Parsed files by their content, for builds that read the same files again. */

import { hash } from 'node:crypto'
import { copyNode, type Node, type YamlLimits } from '../yaml/index.ts'

/** Rough sizes of what is kept in memory: a node with its empty list of children, and what an entry costs beside its nodes. */
const NODE_BYTES = 144
const ENTRY_BYTES = 512

interface Entry {
  readonly documents: readonly Node[]
  readonly sizeBytes: number
}

/**
 * Keeps parsed files, the least recently used going first. Hand the same one to each `build`; it may serve any tree, as only
 * the content of a file counts. Nodes are copied on their way in and out: no build sees what another one did to them.
 */
export class ParseCache {
  readonly #maxBytes: number
  #sizeBytes = 0
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry>()

  /** @param maxBytes of memory, estimated. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Estimated memory of what is kept. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** The documents of a text, parsed unless they are known. What `parse` throws is not kept. */
  documents(text: string, options: YamlLimits & { readonly withSource?: boolean }, parse: () => Node[]): Node[] {
    // The same text may be too large under other limits.
    const key = `${hash('sha256', text, 'base64')} ${JSON.stringify(options)}`
    const known = this.#entries.get(key)
    if (known) {
      this.#entries.delete(key)
      this.#entries.set(key, known)
      return known.documents.map(copyNode)
    }
    const documents = parse()
    this.#add(key, documents, text)
    return documents
  }

  #add(key: string, documents: readonly Node[], text: string): void {
    // The values of nodes are slices of the text, which therefore stays.
    const sizeBytes = documents.reduce((sum, node) => sum + sizeOf(node), ENTRY_BYTES + 2 * text.length)
    if (sizeBytes > this.#maxBytes) return
    this.#entries.set(key, { documents: documents.map(copyNode), sizeBytes })
    this.#sizeBytes += sizeBytes
    for (const [oldest, { sizeBytes: freed }] of this.#entries) {
      if (this.#sizeBytes <= this.#maxBytes) return
      this.#entries.delete(oldest)
      this.#sizeBytes -= freed
    }
  }
}

function sizeOf(node: Node): number {
  return node.content.reduce((sum, child) => sum + sizeOf(child), NODE_BYTES + 8 * node.content.length)
}
