/** Wrapping of text into lines. */

import type { Budget } from '../environment.ts'
import { binary, fromBinary } from './text.ts'

export interface WrapOptions {
  /** In bytes; below 1 it is 1. */
  readonly width: bigint
  readonly separator: string
  /** Whether words longer than a line are cut. */
  readonly cutsWords: boolean
}

/** Breaks lines at spaces; line ends in the text are characters like others. Source: goutils.WrapCustom. */
export function wrap(text: string, { width, separator, cutsWords }: WrapOptions, budget: Budget): string {
  const bytes = binary(text)
  const columns = Math.max(1, Number(width))
  const lineEnd = binary(separator)
  const lines: string[] = []
  let offset = 0
  while (bytes.length - offset > columns) {
    if (bytes[offset] === ' ') {
      offset++
      continue
    }
    const { end, next } = lineFrom(bytes, offset, columns, cutsWords)
    lines.push(bytes.slice(offset, end))
    if (next > bytes.length) return fromBinary(lines.join(lineEnd))
    offset = next
    budget.checkText(offset + lines.length * lineEnd.length)
  }
  lines.push(bytes.slice(offset))
  return fromBinary(lines.join(lineEnd))
}

/** Where the line ends, and where the one after starts: past the end when there is none. */
function lineFrom(bytes: string, offset: number, columns: number, cutsWords: boolean): { end: number; next: number } {
  const space = bytes.lastIndexOf(' ', offset + columns)
  if (space >= offset) return { end: space, next: space + 1 }
  if (cutsWords) return { end: offset + columns, next: offset + columns }
  const later = bytes.indexOf(' ', offset + columns)
  return later < 0 ? { end: bytes.length, next: bytes.length + 1 } : { end: later, next: later + 1 }
}
