/**
 * What the fuzzer of templates knows of the functions: the sorts of their arguments. Those whose result is random or depends on the clock
 * are left out.
 */

/** A sort of argument; see `expressions.ts` for what each gives. */
export type Sort =
  | 'any'
  | 'string'
  | 'int'
  | 'number'
  | 'bool'
  | 'list'
  | 'dict'
  | 'key'
  | 'date'
  | 'layout'
  | 'zone'
  | 'duration'
  | 'regexp'
  | 'pattern'
  | 'format'
  | 'version'
  | 'range'
  | 'yaml'
  | 'json'
  | 'toml'
  | 'url'
  | 'urlparts'
  | 'type'
  | 'kind'
  | 'path'
  | 'small'
  | 'base64'
  | 'template'
  | 'dot'
  | 'dicts'

export interface Known {
  readonly name: string
  readonly params: readonly Sort[]
  /** The last parameter repeats. */
  readonly isVariadic: boolean
}

/** `names: sorts`; `…` after the last sort repeats it. */
const TABLE = `
and or: any any…
not: any
len: any
index: any key…
slice: any small small
eq ne: any any
eq: any any any
lt le gt ge: number number
lt le gt ge: string string
print println html js urlquery: any…
printf: format any…
call: any any
html js urlquery: string
date: layout date
date_in_zone dateInZone: layout date zone
date_modify dateModify must_date_modify mustDateModify: duration date
duration: any
durationRound: any
htmlDate: date
htmlDateInZone: date zone
mustToDate toDate: layout string
unixEpoch: date
abbrev: int string
abbrevboth: int int string
trunc: int string
trim upper lower title untitle nospace initials swapcase snakecase camelcase kebabcase: string
substr: int int string
repeat: small string
trimall trimAll trimSuffix trimPrefix: string string
wrap: int string
wrapWith: int string string
contains hasPrefix hasSuffix: string string
quote squote: any…
cat: any…
indent nindent: small string
replace: string string string
plural: string string int
sha1sum sha256sum sha512sum adler32sum: string
toString: any
atoi int64 int float64: any
atoi toDecimal: string
seq: small small…
toDecimal: any
split splitList: string string
splitn: string small string
toStrings: list
until: small
untilStep: small small int
add1: any
add: number…
sub div mod: number number
mul: number number…
add1f: any
addf: number…
subf divf mulf: number number…
biggest max min maxf minf: number number…
ceil floor: number
round: number small
round: number small number
join: string list
sortAlpha: list
default: any any
empty: any
coalesce all any: any…
compact mustCompact: list
toJson toPrettyJson toRawJson mustToJson mustToPrettyJson mustToRawJson: any
fromJson mustFromJson fromJsonArray: json
ternary: any any bool
deepCopy mustDeepCopy: any
typeOf kindOf: any
typeIs typeIsLike: type any
kindIs: kind any
deepEqual: any any
base dir clean ext isAbs osBase osClean osDir osExt osIsAbs: path
b64enc b32enc: string
b64dec b32dec: base64
tuple list: any…
dict: key any key any
get hasKey unset: dict key
set: dict key any
pluck: key dict…
pick omit: dict key…
merge mergeOverwrite mustMerge mustMergeOverwrite: dict dict…
append push mustAppend mustPush prepend mustPrepend: list any
first mustFirst rest mustRest last mustLast initial mustInitial reverse mustReverse uniq mustUniq: list
without mustWithout: list any…
has mustHas: any list
slice mustSlice: list small small
concat: list…
dig: key key any dict
dig: key any dict
chunk mustChunk: small list
semver: version
semverCompare: range version
fail: string
regexMatch mustRegexMatch: regexp string
regexFindAll mustRegexFindAll: regexp string int
regexFind mustRegexFind: regexp string
regexReplaceAll mustRegexReplaceAll regexReplaceAllLiteral mustRegexReplaceAllLiteral: regexp string pattern
regexSplit mustRegexSplit: regexp string int
regexQuoteMeta: string
urlParse: url
urlJoin: urlparts
hello: 
toToml mustToToml: dict
toToml: any
fromToml: toml
toYaml mustToYaml toYamlPretty: any
fromYaml fromYamlArray: yaml
mustToDuration durationSeconds durationMilliseconds durationMicroseconds durationNanoseconds: any
durationMinutes durationHours durationDays durationWeeks: duration
durationRoundTo durationTruncateTo: duration duration
required: string any
lookup: string string string string
include: template dot
tpl: template dot
`

/** A function that takes its arguments in several ways is there several times. */
export const FUNCTIONS: readonly Known[] = TABLE.trim()
  .split('\n')
  .flatMap((line) => {
    const [names = '', sorts = ''] = line.split(':')
    const params = sorts.replace('…', '').trim().split(' ').filter(Boolean) as Sort[]
    return names.split(' ').map((name) => ({ name, params, isVariadic: line.endsWith('…') }))
  })
