/** Any caller: known by the secret path alone, or by a signature. */
import { accepted, assertSignature, type Check } from './check.ts'

export const generic: Check = ({ call }) => accepted(call)

export const genericHmac: Check = ({ call, token }) => {
  assertSignature(call.headers.get('x-signature') ?? '', call.body, token)
  return accepted(call)
}
