/** Random expressions of the template language: mostly of the sort that a function wants, sometimes not. */

import type { Random } from '../random.ts'
import { FUNCTIONS, type Known, type Sort } from './functions.ts'
import { LITERALS, quoted } from './literals.ts'

/** What can be named where an expression stands. */
export interface Scope {
  readonly random: Random
  /** With their `$`. */
  readonly variables: readonly string[]
  /** Whether `.` is what the template was called with: `.Values` is there. */
  readonly isRoot: boolean
}

const FIELDS: { readonly [S in Sort]?: readonly string[] } = {
  string: [
    '.Values.str',
    '.Values.empty',
    '.Values.uni',
    '.Values.multi',
    '.Values.numstr',
    '.Release.Name',
    '.Chart.Version',
    '.Template.Name',
    '.Values.tplstr',
    '.Values.list',
  ],
  int: ['.Values.num', '.Values.neg', '.Release.Revision'],
  number: ['.Values.num', '.Values.flt', '.Values.big', '.Values.one', '.Values.huge', '.Values.numstr', '.Values.nul'],
  bool: ['.Values.yes', '.Values.no', '.Release.IsInstall', '.Values.nul'],
  list: [
    '.Values.list',
    '.Values.nums',
    '.Values.mixed',
    '.Values.none',
    '.Values.people',
    '.Chart.Keywords',
    '.Values.map.c.w',
    '.Values.nul',
  ],
  dict: ['.Values.map', '.Values.emap', '.Values.map.c', '.Values', '.Chart.Annotations', '.Release', '.Values.people.tags'],
  any: [
    '.Values.map',
    '.Values.mixed',
    '.Values.nul',
    '.Values.missing',
    '.Values.big',
    '.Values.str',
    '.Values.missing.deep',
    '.Chart',
    '.Chart.Maintainers',
    '.Capabilities.KubeVersion',
    '.Capabilities.KubeVersion.Minor',
    '.Values.no',
    '.Values.flt',
    '.Files',
    '.Template',
    '.Chart.name',
    '.Nothing',
    '.Values.str.x',
    '.Values.huge',
    '.Values.yes',
    '.Subcharts',
  ],
}

/** What a sort also takes. */
const ALIKE: { readonly [S in Sort]?: readonly Sort[] } = {
  any: ['string', 'number', 'int', 'bool', 'list', 'dict', 'date'],
  template: ['string'],
  dicts: ['list'],
  key: ['string'],
  url: ['string'],
  path: ['string'],
  base64: ['string'],
  kind: ['string'],
  type: ['string'],
}

/** Results, for nesting: a function that likely gives the sort. */
const GIVING: { readonly [S in Sort]?: RegExp } = {
  string:
    /^(upper|lower|trim|trunc|replace|join|print|printf|quote|to(Json|Yaml|String)|indent|cat|b64enc|base|title|include|tpl|regexReplaceAll|default|ternary|substr|toToml|trimSuffix|repeat|date)$/,
  int: /^(int|int64|add|sub|mul|div|mod|len|max|min|atoi|add1|biggest)$/,
  number: /^(int|float64|add|addf|subf|divf|mulf|round|floor|ceil|max|len|toDecimal|mul|min)$/,
  bool: /^(eq|ne|lt|gt|and|or|not|has|hasKey|empty|contains|regexMatch|kindIs|typeIs|semverCompare|deepEqual|any|all|hasPrefix)$/,
  list: /^(list|splitList|until|untilStep|append|prepend|concat|rest|initial|reverse|uniq|without|sortAlpha|compact|slice|chunk|regexFindAll|regexSplit|fromYamlArray|fromJsonArray|toStrings|pluck|index|default)$/,
  dict: /^(dict|merge|mergeOverwrite|pick|omit|set|unset|deepCopy|fromYaml|fromJson|fromToml|split|splitn|urlParse|dig|get|first|lookup|index)$/,
  any: /./,
}

const giving = new Map<Sort, readonly Known[]>(
  Object.entries(GIVING).map(([sort, names]) => [sort as Sort, FUNCTIONS.filter(({ name }) => names.test(name))]),
)
const ALL_SORTS: readonly Sort[] = ['any', 'string', 'int', 'number', 'bool', 'list', 'dict', 'date']
/** Sorts that may not become anything large: work grows with them. */
const BOUNDED: ReadonlySet<Sort> = new Set(['small'])

/** A term: it can stand as an argument. */
export function argument(scope: Scope, wanted: Sort, depth: number): string {
  const { random } = scope
  if (BOUNDED.has(wanted)) return literal(scope, random.chance(0.95) ? wanted : 'string')
  const sort = random.chance(0.03) ? random.pick(ALL_SORTS) : random.chance(0.3) ? random.pick(ALIKE[wanted] ?? [wanted]) : wanted
  if (sort === 'dot') return scope.isRoot ? random.pick(['.', '$', '.Values', '$.Values.map']) : random.pick(['.', '$', '$.Values'])
  if (sort === 'template') return literal(scope, 'template')
  if (random.chance(0.01)) return 'nil'
  if (random.chance(0.04) && scope.variables.length > 0) return random.pick(scope.variables)
  if (random.chance(0.02)) return random.pick(['.', '$'])
  if (random.chance(0.3) && FIELDS[sort]) return field(scope, sort)
  if (depth > 0 && random.chance(0.4) && giving.has(sort))
    return `(${call(scope, random.pick(giving.get(sort) ?? []), depth - 1)})${random.chance(0.05) ? `.${random.pick(['a', 'k', 'x', 'Values', '_0'])}` : ''}`
  return literal(scope, sort)
}

function field({ random, isRoot }: Scope, sort: Sort): string {
  const path = random.pick(FIELDS[sort] ?? [])
  return isRoot && random.chance(0.7) ? path : `$${path}`
}

function literal(scope: Scope, sort: Sort): string {
  const { random } = scope
  if (sort === 'template')
    return random.pick([
      '"t1"',
      '"t2"',
      '"t1"',
      '"t2"',
      '"none"',
      quoted('{{ . }}'),
      quoted('{{ .Values.num }}{{ include "t1" . }}'),
      '.Values.tplstr',
      quoted('{{ fail "x" }}'),
      quoted('{{'),
    ])
  if (sort === 'any') return literal(scope, random.pick(ALL_SORTS.slice(1)))
  return LITERALS[sort]?.(random) ?? '1'
}

export function call(scope: Scope, { name, params, isVariadic }: Known, depth: number): string {
  const { random } = scope
  let sorts = isVariadic ? [...params, ...Array<Sort>(random.below(3)).fill(params.at(-1) ?? 'any')] : [...params]
  if (isVariadic && random.chance(0.1)) sorts = sorts.slice(0, -1)
  if (random.chance(0.03)) sorts = random.chance(0.5) ? sorts.slice(0, -1) : [...sorts, 'any']
  return [name, ...sorts.map((sort) => argument(scope, sort, depth))].join(' ')
}

/** What stands in an action: a call, a term or a pipeline. */
export function pipeline(scope: Scope, depth = 2): string {
  const { random } = scope
  const first = random.chance(0.75) ? call(scope, random.pick(FUNCTIONS), depth) : argument(scope, random.pick(ALL_SORTS), depth)
  const rest = random.chance(0.3) ? random.several(2, () => piped(scope, depth)) : []
  return [first, ...rest].join(random.pick([' | ', ' | ', '|']))
}

function piped(scope: Scope, depth: number): string {
  const known = scope.random.pick(FUNCTIONS)
  return call(scope, { ...known, params: known.params.slice(0, -1) }, depth)
}
