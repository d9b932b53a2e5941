/** Certificate authorities and certificates for tests, made with the openssl program (3 or later). */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run, temporaryDirectory } from './processes.ts'

/** PEM texts. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

export interface Authority {
  /** The authority's own certificate, PEM. */
  readonly ca: string
  /** For a server on 127.0.0.1 and localhost, or for other names. */
  server(options?: { readonly names?: readonly string[]; readonly days?: number }): Promise<Certificate>
  client(name: string): Promise<Certificate>
}

/** A new self-signed authority. */
export async function createAuthority(name = 'Sluice test authority'): Promise<Authority> {
  const directory = await temporaryDirectory('authority')
  const own = { cert: join(directory, 'ca.crt'), key: join(directory, 'ca.key') }
  await request(own, name, ['-days', '2'])
  let issued = 0

  const issue = async (subject: string, args: readonly string[]): Promise<Certificate> => {
    const files = { cert: join(directory, `${++issued}.crt`), key: join(directory, `${issued}.key`) }
    await request(files, subject, ['-CA', own.cert, '-CAkey', own.key, '-addext', 'basicConstraints=critical,CA:FALSE', ...args])
    return { cert: await readFile(files.cert, 'utf8'), key: await readFile(files.key, 'utf8') }
  }

  return {
    ca: await readFile(own.cert, 'utf8'),
    server: ({ names = ['IP:127.0.0.1', 'DNS:localhost'], days = 2 } = {}) =>
      issue('server', [
        '-days',
        String(days),
        '-addext',
        `subjectAltName=${names.join(',')}`,
        '-addext',
        'extendedKeyUsage=serverAuth',
      ]),
    client: (subject) => issue(subject, ['-days', '2', '-addext', 'extendedKeyUsage=clientAuth']),
  }
}

async function request(files: { cert: string; key: string }, subject: string, args: readonly string[]): Promise<void> {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', files.key]
  await run('openssl', ['req', '-x509', ...key, '-out', files.cert, '-subj', `/CN=${subject}`, ...args])
}
