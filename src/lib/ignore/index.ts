/**
 * Ignore files in gitignore syntax, as Flux reads them. They differ from Git's own in one rule: a file inside an excluded directory can be
 * included again (`!dir/keep.yaml` after `dir/`), because every file is judged by its whole path and the last pattern that matches decides.
 */
export { type IgnorePattern, isIgnored, parseIgnore } from './ignore.ts'
