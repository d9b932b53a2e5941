/** What a run of the OCIRepository loop sees: as other sources, with Secrets of types and service accounts. */
import type { ObjectRef } from '../../src/api/object.ts'
import type { OCIRepository, OCIRepositorySpec } from '../../src/api/ocirepository.ts'
import { ApiError } from '../../src/kube/transport.ts'
import { ociRepositoryLoop } from '../../src/source/ocirepository.ts'
import { testStore } from '../runtime/artifact-fixtures.ts'
import { dockerConfig } from '../tools/registry.ts'
import { SourceWorld } from './world.ts'

export class OciWorld extends SourceWorld<OCIRepository> {
  /** By `<kind>/<name>`. */
  readonly #objects = new Map<string, object>()
  override environment = { client: { get: async (ref: ObjectRef) => this.#get(ref) } }

  static async create(spec: Partial<OCIRepositorySpec> & { url: string }): Promise<OciWorld> {
    return new OciWorld(await testStore(), ociRepositoryLoop, { interval: '10m', timeout: '60s', ...spec })
  }

  secret(name: string, values: Readonly<Record<string, string>>, type = 'Opaque'): void {
    const data = Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')])
    this.#objects.set(`Secret/${name}`, { type, data: Object.fromEntries(data), metadata: { name } })
  }

  /** A Secret as `kubectl create secret docker-registry` makes it. */
  login(name: string, { host }: { host: string }, login?: { username: string; password: string }): void {
    this.secret(name, { '.dockerconfigjson': dockerConfig(host, login) }, 'kubernetes.io/dockerconfigjson')
  }

  account(name: string, ...pullSecrets: readonly string[]): void {
    this.#objects.set(`ServiceAccount/${name}`, { imagePullSecrets: pullSecrets.map((secret) => ({ name: secret })) })
  }

  #get({ kind, name }: ObjectRef): object {
    const found = this.#objects.get(`${kind}/${name}`)
    if (found) return found
    throw new ApiError(`${kind.toLowerCase()}s "${name}" not found`, { status: 404, reason: 'NotFound' })
  }
}
