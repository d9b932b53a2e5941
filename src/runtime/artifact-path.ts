/** Where an artifact lies, in the store and on the server alike. */

const partPattern = /^[A-Za-z0-9_:@+=-][A-Za-z0-9._:@+=-]*$/

/**
 * `<kind lower>/<namespace>/<name>/<file>`; with an empty file name, the folder with a slash at the end.
 * @throws Error for names that would lead elsewhere: they never come from the Kubernetes API.
 */
export function artifactPath(owner: { kind: string; namespace: string; name: string }, fileName: string): string {
  const path = `${owner.kind.toLowerCase()}/${owner.namespace}/${owner.name}/${fileName}`
  if (!isArtifactPath(fileName === '' ? `${path}x` : path))
    throw new Error(`${JSON.stringify(path)} cannot be the path of an artifact`)
  return path
}

/** Whether a path has the form of an artifact's: four plain parts, none of which begins with a dot. */
export function isArtifactPath(path: string): boolean {
  const parts = path.split('/')
  return path.length <= 1024 && parts.length === 4 && parts.every((part) => partPattern.test(part))
}
