/** What becomes of fields that the types of Kubernetes' own kinds, as we know them, do not have. */
import type { KubeObject } from '../api/object.ts'
import { applying, type JudgeContext } from './diff.ts'
import { asTyped } from './native.ts'
import { ApiError } from './transport.ts'

/**
 * An API server that is newer than our types may have them; one that does not have them refuses the object. Then they are left out, as Flux
 * always does: undefined where nothing has to be.
 */
export async function withoutUnknown(
  whole: KubeObject,
  { client, ownership, signal }: Pick<JudgeContext, 'client' | 'ownership' | 'signal'>,
): Promise<KubeObject | undefined> {
  try {
    await client.apply(whole, { ...applying(whole, ownership), dryRun: true, signal })
    return undefined
  } catch (error) {
    // Any other refusal comes again when the object is judged.
    return isAboutUnknownField(error) ? asTyped(whole, { keepUnknown: false }).object : undefined
  }
}

/** Source: k8s.io/apimachinery managedfields/internal/structuredmerge.go. */
function isAboutUnknownField(error: unknown): boolean {
  return error instanceof ApiError && /typed patch object.*field not declared in schema/s.test(error.message)
}
