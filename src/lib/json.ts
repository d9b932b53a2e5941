/** JSON values as every layer sees them, and what plain JavaScript lacks for them. */

/** A JSON value. Integers beyond 2^53 are `bigint`, so that nothing is rounded between Git and the cluster. */
export type Json = null | boolean | number | bigint | string | Json[] | JsonObject

/** A JSON object. Keys may come from users: never look one up without `Object.hasOwn`, unless the prototype is null. */
export interface JsonObject {
  [key: string]: Json
}

/**
 * Parses JSON text.
 * @throws SyntaxError
 */
export function parseJson(text: string): Json {
  // Only a text that may hold a big integer pays for the reviver, which is ten times slower.
  return mayHoldBigInteger.test(text) ? sourceText.parse(text, keepBigInteger) : JSON.parse(text)
}

/** Prints JSON without spaces, in the order of the keys. */
export function printJson(value: unknown): string {
  try {
    return JSON.stringify(value)
  } catch (error) {
    // A bigint somewhere inside. Not looked for before: nearly no object has one, and a replacer is ten times slower.
    if (error instanceof TypeError) return JSON.stringify(value, printBigInteger)
    throw error
  }
}

const mayHoldBigInteger = /(?:^|[:,[\s-])\d{16}/

/** JSON.parse source text access (ES2026), which TypeScript's library does not declare yet. */
const sourceText = JSON as unknown as {
  parse(text: string, reviver: (key: string, value: Json, context: { readonly source?: string }) => Json): Json
  rawJSON(text: string): object
}

function keepBigInteger(_key: string, value: Json, { source }: { readonly source?: string }): Json {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
  return source !== undefined && /^-?\d+$/.test(source) ? BigInt(source) : value
}

function printBigInteger(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? sourceText.rawJSON(value.toString()) : value
}

/** Whether a value from outside is an object with fields. Its keys are as in `JsonObject`. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
