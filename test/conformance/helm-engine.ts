/**
 * A long-lived process that renders charts on request: JSON lines in, JSON lines out. Operations: `template`, `render`, `version`, `index`.
 * A request has an `id`, which comes back with the answer: {"id", "ok": true, …} or {"id", "ok": false, "error"}.
 */

import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { type Answer, answer } from './helm-answer.ts'

for await (const line of createInterface({ input: process.stdin })) {
  const { id, ...request } = JSON.parse(line)
  const result: Answer = answer(request, { readPackage: readFileSync })
  process.stdout.write(`${JSON.stringify({ id, ...result }, withoutRawBytes)}\n`)
}

/** JSON cannot hold the bytes that are not UTF-8, which templates can print: each becomes U+FFFD. */
function withoutRawBytes(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? value.toWellFormed() : value
}
