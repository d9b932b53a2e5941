/** `spec.ignore`: fields that others may set. */
import { hash } from 'node:crypto'
import type { Kustomization } from '../api/kustomization.ts'
import type { IgnoreRules } from '../kube/applier.ts'
import { compileIgnoreRules } from '../runtime/ignore-rules.ts'

/**
 * The rules of a Kustomization; undefined where it has none.
 * @throws Error naming the path that is no JSON pointer, or the expression that cannot be parsed.
 */
export function ignoreRules({ spec }: Kustomization): IgnoreRules | undefined {
  const { ignore = [] } = spec
  if (ignore.length === 0) return undefined
  for (const [index, { paths }] of ignore.entries()) {
    const wrong = paths.find((path) => !path.startsWith('/'))
    if (wrong === undefined) continue
    throw new Error(`spec.ignore[${index}].paths: '${wrong}' is not the JSON pointer of a field: it must begin with '/'`)
  }
  return { id: hash('sha256', JSON.stringify(ignore), 'base64url'), pathsIn: compileIgnoreRules(ignore) }
}
