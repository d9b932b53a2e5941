/** Which tag of a repository a reference stands for. */
import { RE2JS } from 're2js'
import { messageOf } from '../lib/errors.ts'
import { isDigest, isTag } from '../lib/oci/index.ts'
import { compareVersions, parseConstraint, parseVersionTag } from '../lib/semver/index.ts'

/** The first that is given wins, in this order; without any, the tag `latest`. */
export interface OciReference {
  readonly digest?: string | undefined
  readonly semver?: string | undefined
  /** With `semver`: a regular expression that tags must match. */
  readonly semverFilter?: string | undefined
  readonly tag?: string | undefined
}

/** Of charts in registries. Their tags have `_` where their versions have `+`, which no tag may have. Source: Helm. */
export const helmChartLayer = 'application/vnd.cncf.helm.chart.content.v1.tar+gzip'

const latest = 'latest'

/**
 * The tag or digest to ask for. `list` gives all tags, and is called where there is a range.
 * @throws Error for a range or expression that cannot be read or that no tag fits, and for what can be no tag or digest.
 * Source: getArtifactRef of source-controller.
 */
export async function referenceFor(
  { digest, semver, semverFilter, tag }: OciReference,
  { mediaType, list }: { readonly mediaType: string; readonly list: () => Promise<readonly string[]> },
): Promise<string> {
  if (digest) return assertIs(isDigest, digest, 'spec.ref.digest', 'a digest as sha256:<64 hexadecimal digits>')
  if (!semver) return assertIs(isTag, tag || latest, 'spec.ref.tag', 'a tag')
  const tags = matching(await list(), semverFilter)
  return newest(tags, semver, mediaType === helmChartLayer)
}

function assertIs(fits: (text: string) => boolean, text: string, field: string, what: string): string {
  if (fits(text)) return text
  throw new Error(`${field} ${JSON.stringify(text)} is not ${what}`)
}

function matching(tags: readonly string[], filter: string | undefined): readonly string[] {
  if (!filter) return tags
  try {
    const expression = RE2JS.compile(filter)
    return tags.filter((tag) => expression.matcher(tag).find())
  } catch (error) {
    throw new Error(`spec.ref.semverFilter: ${messageOf(error)}`, { cause: error })
  }
}

function newest(tags: readonly string[], range: string, isChart: boolean): string {
  const constraint = constraintOf(range)
  const versions = tags.flatMap((tag) => {
    const version = parseVersionTag(isChart ? tag.replaceAll('_', '+') : tag)
    return version && constraint.check(version) ? [{ tag, version }] : []
  })
  // What differs in its metadata alone is in the order of the text, so that every run takes the same one.
  const [best] = versions.sort((a, b) => compareVersions(b.version, a.version) || (a.tag < b.tag ? 1 : -1))
  if (best && isTag(best.tag)) return best.tag
  throw new Error(`no match found for semver: ${range}`)
}

function constraintOf(range: string) {
  try {
    return parseConstraint(range)
  } catch (error) {
    throw new Error(`semver '${range}' parse error: ${messageOf(error)}`, { cause: error })
  }
}
