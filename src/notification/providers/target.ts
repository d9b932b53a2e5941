/** What services ask of a Provider's settings. Messages name the field and the key of the Secret, and show neither. */
import type { Target } from '../notifier.ts'

/** The address as URL. @throws Error when there is none, or it is not of http or https. */
export function webAddress({ address }: Target, service: string): URL {
  if (address === '') throw new Error(`the ${service} address is empty: set spec.address, or the key address of the Secret`)
  const url = URL.parse(address)
  if (url && (url.protocol === 'http:' || url.protocol === 'https:')) return url
  throw new Error(`the ${service} address is no http or https URL: set spec.address, or the key address of the Secret`)
}

/** @throws Error when there is none. */
export function tokenOf({ token }: Target, service: string): string {
  if (token !== '') return token
  throw new Error(`the ${service} token is empty: the Secret of spec.secretRef must have a key token`)
}

/** @throws Error when there is none. `what` says what it means to the service. */
export function channelOf({ channel }: Target, service: string, what: string): string {
  if (channel !== '') return channel
  throw new Error(`the ${service} channel is empty: set spec.channel to ${what}`)
}

export function bearer(token: string): { readonly authorization: string } {
  return { authorization: `Bearer ${token}` }
}

export function basic({ username, password }: Pick<Target, 'username' | 'password'>): { readonly authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` }
}
