/** DNS for templates (`getHostByName`), where the gate AllowDNSLookups allows it. */
import { lookup } from 'node:dns/promises'

const longestMs = 5_000

/** All addresses of a host, as the system knows them; none for one that is not known, or not in time. Source: Go net.LookupHost. */
export async function resolveHost(host: string): Promise<readonly string[]> {
  const late = new Promise<never>((_, reject) => {
    const timeout = AbortSignal.timeout(longestMs)
    timeout.addEventListener('abort', () => reject(timeout.reason), { once: true })
  })
  try {
    const found = await Promise.race([lookup(host, { all: true }), late])
    return found.map(({ address }) => address)
  } catch {
    // As in Helm: why there is none is not told.
    return []
  }
}
