/** An archive that is damaged, hostile or beyond the limits. The message names the entry where there is one. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError'
}

/**
 * The path of an archive entry without `./` in front and `/` at the end; `''` for the root.
 * @throws ArchiveError for a path that is absolute, leads upwards or means something else on another system.
 */
export function entryPath(name: string): string {
  const path = name.replace(/^(\.\/+)+/, '').replace(/\/+$/, '')
  if (path === '.' || (path === '' && name.startsWith('.'))) return ''
  if (name === '') throw refused(name, 'it has no path')
  if (name.startsWith('/')) throw refused(name, 'its path is not relative')
  if (/^[A-Za-z]:/.test(path)) throw refused(name, 'its path has a drive letter')
  if (path.includes('\\')) throw refused(name, 'its path has a backslash')
  if (path.includes('\0')) throw refused(name, 'its path has a NUL byte')
  if (path.split('/').includes('..')) throw refused(name, 'its path leads upwards')
  if (path.split('/').some((part) => part === '' || part === '.')) throw refused(name, 'its path is not in its shortest form')
  return path
}

/** The error about one entry, with its name cut to a readable length. */
export function refused(name: string, why: string): ArchiveError {
  return new ArchiveError(`archive entry ${JSON.stringify(name.slice(0, 200))} refused: ${why}`)
}
