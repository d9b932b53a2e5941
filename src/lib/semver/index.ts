/** Semantic versions and ranges of them, by the rules of Go's Masterminds/semver v3, which Flux and Helm use. They differ from npm's. */
export { type Constraint, parseConstraint } from './constraint.ts'
export {
  checkMetadata,
  checkPrerelease,
  compareVersions,
  parseVersion,
  parseVersionTag,
  printVersion,
  type Version,
} from './version.ts'
