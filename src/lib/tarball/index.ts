/**
 * Archives as Flux's artifacts are: gzip-compressed tar of regular files and directories, nothing else. Writing is reproducible:
 * the same tree gives the same bytes. Reading trusts nothing. Both are heavy and are meant to run in a worker thread.
 */

export { type ExtractLimits, extractTarball } from './extract.ts'
export { ArchiveError } from './path.ts'
export { type FileContent, type TarballEntry, type WrittenTarball, writeTarball } from './write.ts'
