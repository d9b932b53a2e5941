/** JSON from strangers. */

/** What is nested deeper means no good: whoever walks through it would run out of stack. */
const deepest = 100

/** @throws Error for what is no JSON or nested too deeply; its message shows nothing of the text. */
export function parseJson(text: string): unknown {
  let depth = 0
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    if (++depth > deepest) throw new Error(`it is nested deeper than ${deepest} levels`)
    for (const inner of Object.values(value)) walk(inner)
    depth--
  }
  const value = parsed(text)
  walk(value)
  return value
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error('it is no JSON') // the cause would show a part of it
  }
}

/** The object's fields; undefined for anything else. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  return value as Readonly<Record<string, unknown>>
}

/** The value of an object's own field. */
export function fieldOf(value: unknown, name: string): unknown {
  const fields = fieldsOf(value)
  return fields && Object.hasOwn(fields, name) ? fields[name] : undefined
}

/** What a decoder into a Go struct asks for: a type of value, or the fields of an object; what is absent or null is fine. */
export type Shape = 'string' | 'strings' | { readonly [field: string]: Shape }

/** @throws Error that names the field with the wrong type. Source: Go's json.Unmarshal. */
export function assertShape(value: unknown, shape: Shape, name = 'the payload'): void {
  if (value === undefined || value === null) return
  if (shape === 'string' || shape === 'strings') {
    const texts = shape === 'string' ? [value] : value
    if (!Array.isArray(texts) || texts.some((text) => typeof text !== 'string' && text !== null))
      throw new Error(`${name} is not ${shape === 'string' ? 'a text' : 'a list of texts'}`)
    return
  }
  if (!fieldsOf(value)) throw new Error(`${name} is no object`)
  for (const [field, inner] of Object.entries(shape)) assertShape(fieldOf(value, field), inner, field)
}
