/** What a Receiver of type generic-oidc asks of the claims of a token. Source: receiver_claims.go of notification-controller. */
import type { ReceiverSpec } from '../api/receiver.ts'
import { CelValue, type Condition, compile, compileCondition, type Expression } from '../lib/cel/index.ts'
import { messageOf } from '../lib/errors.ts'

export type OidcProvider = NonNullable<ReceiverSpec['oidcProviders']>[number]

const variables = ['claims', 'vars']

interface Rules {
  readonly variables: readonly { readonly name: string; readonly expression: Expression }[]
  readonly validations: readonly { readonly message: string; readonly condition: Condition }[]
}

/** @throws Error that names the variable or validation whose expression is wrong. */
export function compileRules(provider: OidcProvider): Rules {
  return {
    variables: (provider.variables ?? []).map(({ name, expression }) => ({
      name,
      expression: named(`variable "${name}"`, () => compile(expression, { variables })),
    })),
    validations: provider.validations.map(({ message, expression }) => ({
      message,
      condition: named(`validation "${message}"`, () => compileCondition(expression, { variables })),
    })),
  }
}

function named<T>(what: string, make: () => T): T {
  try {
    return make()
  } catch (error) {
    throw new Error(`invalid expression for ${what}: ${messageOf(error)}`, { cause: error })
  }
}

/** @throws Error with the messages of all validations that do not hold, or what an evaluation failed with. */
export function assertClaims(claims: Readonly<Record<string, unknown>>, provider: OidcProvider): void {
  const rules = compileRules(provider)
  const values = new Map<string, unknown>()
  const ready = CelValue.of(claims)
  for (const { name, expression } of rules.variables) {
    try {
      values.set(name, expression.evaluate({ claims: ready, vars: CelValue.map(values) }))
    } catch (error) {
      throw new Error(`failed to evaluate variable "${name}": ${messageOf(error)}`, { cause: error })
    }
  }
  const vars = CelValue.map(values)
  const failures = rules.validations.filter(({ condition }) => !condition.holds({ claims: ready, vars }))
  if (failures.length > 0) throw new Error(`token validation failed: ${failures.map(({ message }) => message).join('; ')}`)
}

/**
 * What the CRD's rules say, for API servers that did not ask.
 * @throws Error that names the field. Source: ValidateOIDCProvidersSpec.
 */
export function assertProviders(providers: readonly OidcProvider[]): void {
  const seen = new Set<string>()
  for (const [index, { issuerURL, variables: own = [], validations }] of providers.entries()) {
    const at = `oidcProviders[${index}]`
    if (!issuerURL) throw new Error(`${at}: issuerURL is required`)
    if (!/^https?:\/\//.test(issuerURL)) throw new Error(`${at}: issuerURL "${issuerURL}" must start with http:// or https://`)
    if (seen.has(issuerURL)) throw new Error(`${at}: duplicate issuerURL "${issuerURL}"`)
    seen.add(issuerURL)
    const about = `${at} (issuerURL="${issuerURL}")`
    if (!validations || validations.length === 0)
      throw new Error(
        `${about}: at least one validation is required; without validations any caller able to obtain a token from this issuer can trigger the Receiver`,
      )
    for (const [number, { name, expression }] of own.entries()) {
      if (!name) throw new Error(`${about}: variables[${number}]: name is required`)
      if (!expression) throw new Error(`${about}: variables[${number}] (name="${name}"): expression is required`)
    }
    for (const [number, { expression, message }] of validations.entries()) {
      if (!expression) throw new Error(`${about}: validations[${number}]: expression is required`)
      if (!message) throw new Error(`${about}: validations[${number}]: message is required`)
    }
  }
}
