/**
 * Kubernetes' own kinds take the way through their Go types before they are applied, as in Flux: fields that the type does not have are
 * dropped, those that it always writes (`resources: {}`, `strategy: {}`) are there, and those that it leaves out when empty are not. So
 * what is applied owns the same fields, whoever of the two applies it.
 * Source: github.com/fluxcd/pkg/ssa/normalize, k8s.io/apimachinery runtime.DefaultUnstructuredConverter.
 */
import type { KubeObject } from '../api/object.ts'
import { nativeTypes } from './native-types.generated.ts'

type Fields = Readonly<Record<string, unknown>>

const kinds: ReadonlyMap<string, number> = new Map(Object.entries(nativeTypes.kinds))

/**
 * The object as its Go type reads and writes it, without `status`; the object itself when the kind is not one of Kubernetes' own, or when
 * a value is of another sort than the type has, which is for the API server to refuse. The argument is not changed.
 */
export function asTyped(object: KubeObject): KubeObject {
  const kind = kinds.get(`${object.apiVersion}/${object.kind}`)
  if (kind === undefined) return object
  try {
    const { status: _, ...typed } = asStruct(object, kind)
    return typed as unknown as KubeObject
  } catch (error) {
    if (error instanceof Misfit) return object
    throw error
  }
}

/** A value that does not fit its type. */
class Misfit extends Error {}

/** A struct is always written: one that is not there as one without values. */
function asStruct(value: unknown, index: number): Record<string, unknown> {
  if (!isAbsent(value) && !isFields(value)) throw new Misfit()
  const written: Record<string, unknown> = {}
  for (const [name, text] of Object.entries(nativeTypes.types[index] ?? {})) {
    const omitsEmpty = text.startsWith('?')
    const type = omitsEmpty ? text.slice(1) : text
    const field = asType(value?.[name], type)
    if (!omitsEmpty || !isEmpty(field, type)) written[name] = field
  }
  return written
}

/** The types are written as in test/tools/flux-controllers/normalize/types.go. */
function asType(value: unknown, type: string): unknown {
  const inner = type.slice(1)
  switch (type[0]) {
    case '*':
      return isAbsent(value) ? null : asType(value, inner)
    case '[':
      return isAbsent(value) ? null : asList(value, inner)
    case '{':
      return isAbsent(value) ? null : asMap(value, inner)
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
      return asStruct(value, Number(type))
  }
}

function asList(value: unknown, type: string): unknown[] {
  if (!Array.isArray(value)) throw new Misfit()
  return value.map((item) => asType(item, type))
}

function asMap(value: unknown, type: string): Fields {
  if (!isFields(value)) throw new Misfit()
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, asType(item, type)]))
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
