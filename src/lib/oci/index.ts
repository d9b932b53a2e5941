/** OCI registries: addresses, logins, tags, manifests and blobs, checked and bounded. Pulls only. */
export { credentialsFor, type RegistryCredentials } from './docker-config.ts'
export { isOciError, OciError, type OciErrorCode } from './errors.ts'
export { isDigest, isTag, parseReference, type Reference, type RepositoryName } from './reference.ts'
export { type Descriptor, type Manifest, Registry, type RegistryOptions } from './registry.ts'
