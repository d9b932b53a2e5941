/** Makes failing cases small: the same request with something less, large parts first. */

import type { HelmRequest } from './request.ts'

/** Requests that are smaller by one thing. */
export function* smaller(request: HelmRequest): Iterable<HelmRequest> {
  // The fields keep their kinds: only what is inside of them gets less.
  for (const [field, value] of Object.entries(request)) {
    if (field === 'op' || field === 'release') continue
    for (const less of without(value)) yield { ...request, [field]: less } as HelmRequest
  }
}

function* without(value: unknown): Iterable<unknown> {
  if (typeof value === 'string') yield* shorter(value)
  else if (Array.isArray(value)) {
    for (const i of value.keys()) yield value.toSpliced(i, 1)
    for (const [i, item] of value.entries()) for (const less of without(item)) yield value.with(i, less)
  } else if (typeof value === 'object' && value !== null) {
    for (const key of Object.keys(value)) {
      if (key === 'files' || key === 'kubeVersion') continue
      const { [key]: _, ...rest } = value as Record<string, unknown>
      yield rest
    }
    for (const [key, item] of Object.entries(value)) {
      if (key !== 'kubeVersion') for (const less of without(item)) yield { ...value, [key]: less }
    }
  }
}

/** Texts without a run of their tokens: half of them, a quarter, … one. */
function* shorter(text: string): Iterable<string> {
  const tokens = text.match(/\{\{-?|-?\}\}|[\w.$]+|[ \t]+|./gs) ?? []
  for (let length = tokens.length; length >= 1; length = Math.floor(length / 2)) {
    for (let at = 0; at < tokens.length; at += Math.max(1, Math.floor(length / 2))) {
      yield [...tokens.slice(0, at), ...tokens.slice(at + length)].join('')
    }
  }
}
