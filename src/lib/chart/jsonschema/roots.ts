/** The documents that schemas are in, and the names inside them. Source: santhosh-tekuri/jsonschema v6 roots.go, root.go. */

import { BuildError } from '../../errors.ts'
import { quote } from '../../gotemplate/strconv.ts'
import { type Doc, isObject, parseDocument } from './document.ts'
import { type Draft, draftOf, idOf, latestDraft, subschemas } from './drafts.ts'
import { type Address, addressText, encodeFragment, lookUp, resolveReference, splitFragment } from './location.ts'
import { metaschemas } from './metaschemas.generated.ts'

/** A schema with an `$id` (or the whole document), and the anchors up to the next one. */
export interface Resource {
  readonly pointer: string
  readonly id: string
  readonly draft: Draft
  readonly anchors: Map<string, string>
  readonly dynamicAnchors: Set<string>
}

/** Judges a document, or a part of it, by the metaschemas of its resources. @throws BuildError */
export type Judge = (root: Root, doc: Doc, pointer: string) => void

/** Gives the text of a document that is neither handed in nor a metaschema. @throws Error */
export type ReadDocument = (url: string) => string

/** One document. */
export class Root {
  readonly url: string
  readonly document: Doc
  readonly resources = new Map<string, Resource>()
  readonly byId = new Map<string, Resource>()
  /** The pointers of the schemas that have been looked at. */
  readonly known = new Set<string>()

  constructor(url: string, document: Doc) {
    this.url = url
    this.document = document
  }

  top(): Resource {
    const top = this.resources.get('')
    if (!top) throw new BuildError(`${quote(this.url)} has not been read yet`)
    return top
  }

  add(resource: Resource): void {
    this.resources.set(resource.pointer, resource)
    this.byId.set(resource.id, resource)
  }

  /** The pointer that a fragment means in a resource. @throws BuildError for an unknown anchor. */
  pointerOf(fragment: string, resource: Resource): string {
    if (fragment === '' || fragment.startsWith('/')) return resource.pointer + fragment
    const pointer = resource.anchors.get(fragment)
    if (pointer !== undefined) return pointer
    const reference = quote(`${resource.id}#${encodeFragment(fragment)}`)
    throw new BuildError(`anchor in ${reference} not found in schema ${quote(this.url)}`)
  }
}

/** The innermost resource around a place. */
export function resourceAt(root: Root, pointer: string): Resource {
  for (let at = pointer; at !== ''; at = at.slice(0, at.lastIndexOf('/'))) {
    const resource = root.resources.get(at)
    if (resource) return resource
  }
  return root.top()
}

/** All documents of a compilation. */
export class Documents {
  readonly #roots = new Map<string, Root>()
  readonly #given: ReadonlyMap<string, Doc>
  readonly #judge: Judge
  readonly #read: ReadDocument

  constructor(given: ReadonlyMap<string, Doc>, judge: Judge, read: ReadDocument) {
    this.#given = given
    this.#judge = judge
    this.#read = read
  }

  /** @throws BuildError when the document cannot be had or is no schema. */
  root(url: string): Root {
    const known = this.#roots.get(url)
    if (known) return known
    const root = new Root(url, this.#load(url))
    this.#collect(root, root.document, url, '', latestDraft)
    if (!isMetaschema(url)) this.#judge(root, root.document, '')
    this.#roots.set(url, root)
    return root
  }

  /** The document of an address, which may be a place where schemas are not usually found: then it is looked at first. */
  rootWith(address: Address): Root {
    const root = this.root(address.url)
    const { pointer } = address
    if (root.known.has(pointer)) return root
    const doc = lookUp(root.document, address)
    const around = resourceAt(root, pointer)
    this.#collect(root, doc, around.id, pointer, around.draft)
    if (!root.resources.has(pointer)) collectAnchors(root, doc, pointer, around)
    this.#judge(root, doc, pointer)
    return root
  }

  #load(url: string): Doc {
    const given = this.#given.get(url)
    if (given !== undefined) return given
    const text = metaschemaText(url)
    if (text !== undefined) return parseDocument(text)
    try {
      return parseDocument(this.#read(url))
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new BuildError(`failing loading ${quote(url)}: ${reason}`, {}, { cause: error })
    }
  }

  /** Notes the resources and anchors of a schema and those inside it. */
  #collect(root: Root, doc: Doc, base: string, pointer: string, around: Draft): void {
    if (root.known.has(pointer)) return
    root.known.add(pointer)
    if (!isObject(doc)) {
      if (pointer === '') root.add(newResource('', base, around))
      return
    }
    const { draft, id, resourceDraft } = this.#identity(root, doc, pointer, around)
    const url = id === '' ? base : identified(root, base, id, pointer)
    if (id !== '' || pointer === '') addResource(root, newResource(pointer, url, resourceDraft))
    const resource = root.byId.get(url) ?? root.top()
    collectAnchors(root, doc, pointer, resource)
    for (const [place, inner] of subschemas(draft, doc, pointer)) this.#collect(root, inner, url, place, resource.draft)
  }

  /** What `$schema` says counts only at the top and next to an `$id`. */
  #identity(root: Root, doc: ReadonlyMap<string, Doc>, pointer: string, around: Draft) {
    const draft = this.#draftOf({ url: root.url, pointer }, doc, around, new Set())
    const id = idOf(draft, doc)
    if (id === '' && pointer !== '') return { draft: around, id: idOf(around, doc), resourceDraft: around }
    return { draft, id, resourceDraft: typeof doc.get('$schema') === 'string' ? draft : around }
  }

  #draftOf(address: Address, doc: Doc, fallback: Draft, seen: Set<string>): Draft {
    const given = isObject(doc) ? doc.get('$schema') : undefined
    if (typeof given !== 'string') return fallback
    const draft = draftOf(given)
    if (draft) return draft
    const [url = ''] = given.split('#', 1)
    if (address.pointer === '' && url === address.url) throw new BuildError(`draft ${quote(url)} is not supported`)
    if (seen.has(url)) throw new BuildError(`cycle in resolving $schema in ${quote(url)}`)
    return this.#draftOf({ url, pointer: '' }, this.#load(url), fallback, seen.add(url))
  }
}

function isMetaschema(url: string): boolean {
  return /^https?:\/\/json-schema\.org\//.test(url)
}

function metaschemaText(url: string): string | undefined {
  if (!isMetaschema(url)) return undefined
  const path = url.replace(/^https?:\/\/json-schema\.org\//, '')
  return metaschemas.get(path === 'schema' ? 'draft/2020-12/schema' : path)
}

function newResource(pointer: string, id: string, draft: Draft): Resource {
  return { pointer, id, draft, anchors: new Map(), dynamicAnchors: new Set() }
}

function identified(root: Root, base: string, id: string, pointer: string): string {
  try {
    return resolveReference(base, id).url
  } catch (error) {
    throw new BuildError(`error in parsing id at ${quote(addressText({ url: root.url, pointer }))}`, {}, { cause: error })
  }
}

function addResource(root: Root, resource: Resource): void {
  const known = root.byId.get(resource.id)
  if (!known) root.add(resource)
  if (!known || known.pointer === resource.pointer) return
  const places = `at ${quote(resource.pointer)} and ${quote(known.pointer)}`
  throw new BuildError(`duplicate id ${quote(resource.id)} in ${quote(root.url)} ${places}`)
}

function collectAnchors(root: Root, doc: Doc, pointer: string, resource: Resource): void {
  if (!isObject(doc)) return
  for (const { name, isDynamic } of anchorsOf(root, doc, pointer, resource.draft)) {
    const known = resource.anchors.get(name)
    if (known !== undefined && known !== pointer) {
      const places = `at ${quote(known)} and ${quote(pointer)}`
      throw new BuildError(`duplicate anchor ${quote(name)} in ${quote(root.url)} ${places}`)
    }
    resource.anchors.set(name, pointer)
    if (isDynamic) resource.dynamicAnchors.add(name)
  }
}

interface Anchor {
  readonly name: string
  readonly isDynamic: boolean
}

/** The old drafts write an anchor as the fragment of an id. */
function anchorsOf(root: Root, doc: ReadonlyMap<string, Doc>, pointer: string, draft: Draft): Anchor[] {
  if (draft.version >= 2019) {
    const keys = draft.version >= 2020 ? ['$anchor', '$dynamicAnchor'] : ['$anchor']
    return keys.flatMap((key) => {
      const name = doc.get(key)
      return typeof name === 'string' ? [{ name, isDynamic: key === '$dynamicAnchor' }] : []
    })
  }
  const id = doc.get(draft.id)
  if (doc.has('$ref') || typeof id !== 'string') return []
  const fragment = anchorFragment(root, id, pointer)
  return fragment === '' || fragment.startsWith('/') ? [] : [{ name: fragment, isDynamic: false }]
}

function anchorFragment(root: Root, id: string, pointer: string): string {
  try {
    return splitFragment(id).fragment
  } catch (error) {
    throw new BuildError(`error in parsing anchor at ${quote(addressText({ url: root.url, pointer }))}`, {}, { cause: error })
  }
}
