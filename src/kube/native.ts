/**
 * Kubernetes' own kinds take the way through their Go types before they are applied, as in Flux: fields that the type always
 * writes (`resources: {}`, `strategy: {}`) are there, and those that it leaves out when empty are not. So what is applied owns the same
 * fields, whoever of the two applies it.
 * Source: github.com/fluxcd/pkg/ssa/normalize, k8s.io/apimachinery runtime.DefaultUnstructuredConverter.
 */
import type { KubeObject } from '../api/object.ts'
import { nativeTypes } from './native-types.generated.ts'

type Fields = Readonly<Record<string, unknown>>

const kinds: ReadonlyMap<string, number> = new Map(Object.entries(nativeTypes.kinds))

/** An object as its Go type reads and writes it, without `status`. */
export interface Typed {
  readonly object: KubeObject
  /** Paths of the fields that the type does not have, as `spec.template.spec.hostNetwrk`. */
  readonly unknown: readonly string[]
}

/**
 * The object itself when the kind is not one of Kubernetes' own, or when a value is of another sort than the type has, which is for the API
 * server to refuse. The argument is not changed.
 * @param keepUnknown Keeps the fields that the type does not have.
 */
export function asTyped(object: KubeObject, { keepUnknown }: { readonly keepUnknown: boolean }): Typed {
  const kind = kinds.get(`${object.apiVersion}/${object.kind}`)
  if (kind === undefined) return { object, unknown: [] }
  try {
    const reading = new Reading(keepUnknown)
    const { status: _, ...typed } = reading.struct(object, kind)
    return { object: typed as unknown as KubeObject, unknown: reading.unknown }
  } catch (error) {
    if (error instanceof Misfit) return { object, unknown: [] }
    throw error
  }
}

/** A value that does not fit its type. */
class Misfit extends Error {}

class Reading {
  readonly unknown: string[] = []
  readonly #keepUnknown: boolean
  readonly #path: string[] = []

  constructor(keepUnknown: boolean) {
    this.#keepUnknown = keepUnknown
  }

  /** A struct is always written: one that is not there as one without values. */
  struct(value: unknown, index: number): Record<string, unknown> {
    if (!isAbsent(value) && !isFields(value)) throw new Misfit()
    const types = nativeTypes.types[index] ?? {}
    const written: Record<string, unknown> = {}
    for (const [name, text] of Object.entries(types)) {
      const omitsEmpty = text.startsWith('?')
      const type = omitsEmpty ? text.slice(1) : text
      const field = this.#at(name, () => this.#value(value?.[name], type))
      if (!omitsEmpty || !isEmpty(field, type)) written[name] = field
    }
    for (const name of Object.keys(value ?? {})) {
      if (Object.hasOwn(types, name)) continue
      this.unknown.push([...this.#path, name].join('.'))
      if (this.#keepUnknown) Object.defineProperty(written, name, { value: value?.[name], enumerable: true })
    }
    return written
  }

  /** The types are written as in test/tools/flux-controllers/normalize/types.go. */
  #value(value: unknown, type: string): unknown {
    const inner = type.slice(1)
    switch (type[0]) {
      case '*':
        return isAbsent(value) ? null : this.#value(value, inner)
      case '[':
        return isAbsent(value) ? null : this.#list(value, inner)
      case '{':
        return isAbsent(value) ? null : this.#map(value, inner)
      case 's':
        return isAbsent(value) ? '' : fitting(value, typeof value === 'string')
      case 'b':
        return isAbsent(value) ? false : fitting(value, typeof value === 'boolean')
      case 'i':
        return isAbsent(value) ? 0 : fitting(value, typeof value === 'bigint' || Number.isInteger(value))
      case 'f':
        return isAbsent(value) ? 0 : fitting(value, typeof value === 'bigint' || typeof value === 'number')
      case 'y':
        return asBytes(value)
      case 'q':
        return value ?? '0'
      case 'o':
        return value ?? 0
      case 'd':
        return value ?? '0s'
      case 't':
      case 'x':
        return value ?? null
      default:
        return this.struct(value, Number(type))
    }
  }

  #list(value: unknown, type: string): unknown[] {
    if (!Array.isArray(value)) throw new Misfit()
    return value.map((item, index) => this.#at(String(index), () => this.#value(item, type)))
  }

  #map(value: unknown, type: string): Fields {
    if (!isFields(value)) throw new Misfit()
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.#at(key, () => this.#value(item, type))]))
  }

  #at<T>(name: string, read: () => T): T {
    this.#path.push(name)
    const result = read()
    this.#path.pop()
    return result
  }
}

/** In base64, which Go reads with line breaks and writes without. */
function asBytes(value: unknown): string | null {
  if (isAbsent(value)) return null
  if (typeof value !== 'string') throw new Misfit()
  const text = value.replaceAll(/[\r\n]/g, '')
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) throw new Misfit()
  return text
}

function fitting(value: unknown, fits: boolean): unknown {
  if (!fits) throw new Misfit()
  return value
}

/** As Go's omitempty, which never leaves a struct out. */
function isEmpty(value: unknown, type: string): boolean {
  switch (type[0]) {
    case '*':
    case 't':
      return value === null
    case '[':
      return !Array.isArray(value) || value.length === 0
    case '{':
      return !isFields(value) || Object.keys(value).length === 0
    case 'y':
      return value === null || value === ''
    case 's':
    case 'b':
    case 'i':
    case 'f':
      return value === '' || value === false || value === 0 || value === 0n
    default:
      return false
  }
}

function isAbsent(value: unknown): value is null | undefined {
  return value === null || value === undefined
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
