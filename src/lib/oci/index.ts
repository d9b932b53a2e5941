/** OCI registries: addresses, logins, tags, manifests and blobs, checked and bounded. Pulls only. */

export type { Download } from './body.ts'
export { credentialsFor, type RegistryCredentials } from './docker-config.ts'
export { isOciError, OciError, type OciErrorCode } from './errors.ts'
export type { Descriptor, Manifest } from './manifest.ts'
export {
  isDigest,
  isLocalRegistry,
  isTag,
  parseReference,
  parseRepository,
  type Reference,
  type RepositoryName,
} from './reference.ts'
export { Registry, type RegistryOptions } from './registry.ts'
