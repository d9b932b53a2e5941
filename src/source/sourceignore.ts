/** Which files of a source are left out of its artifact. Source: fluxcd/pkg/sourceignore. */
import { type IgnorePattern, parseIgnore } from '../lib/ignore/index.ts'

/** Files of this name hold patterns for the directory that they lie in. */
export const ignoreFileName = '.sourceignore'

/** Always left out, unless a pattern includes them again. */
const versionControl = '.git/\n.gitignore\n.gitmodules\n.gitattributes'

/** Left out while nobody has written a pattern. */
const defaults = `
*.jpg\n*.jpeg\n*.gif\n*.png\n*.wmv\n*.flv\n*.tar.gz\n*.zip
.github/\n.circleci/\n.travis.yml\n.gitlab-ci.yml\nappveyor.yml\n.drone.yml\ncloudbuild.yaml\ncodeship-services.yml\ncodeship-steps.yml
**/.goreleaser.yml\n**/.sops.yaml\n**/.flux.yaml`

export interface IgnoreFile {
  /** Where it lies; `''` is the root. */
  readonly directory: string
  readonly text: string
}

/** The patterns of the ignore files, outer directories first, then those of the spec, which may therefore overrule the former. */
export function sourcePatterns(files: readonly IgnoreFile[], spec: string | undefined): IgnorePattern[] {
  const sorted = files.toSorted((a, b) => (a.directory < b.directory ? -1 : 1))
  const written = [...sorted.flatMap(({ directory, text }) => parseIgnore(text, directory)), ...parseIgnore(spec ?? '')]
  return [...parseIgnore(versionControl), ...(written.length > 0 ? written : parseIgnore(defaults))]
}
