/** Any caller with a token of an issuer that the Receiver trusts. Source: receiver_oidc.go of notification-controller. */
import { assertClaims } from '../claims.ts'
import { parseToken } from '../jwt.ts'
import { accepted, bearerOf, type Check } from './check.ts'

const defaultAudience = 'notification-controller'

export const genericOidc: Check = async ({ call, receiver, issuers }) => {
  const bearer = bearerOf(call)
  // Only chooses which issuer has to confirm the token.
  const { iss } = parseToken(bearer).claims
  const provider = receiver.spec.oidcProviders?.find(({ issuerURL }) => issuerURL === iss)
  if (!provider) throw new Error(`no oidcProvider configured for issuer ${JSON.stringify(iss)?.slice(0, 300)}`)
  const { issuerURL: issuer, audience } = provider
  const claims = await issuers.claimsOf(bearer, { issuer, audience: audience || defaultAudience })
  assertClaims(claims, provider)
  return accepted(call, { claims, about: { issuer } })
}
