/** What Go's regular expressions allow and re2js does not: group names that repeat, and names of Unicode classes in any spelling. */

/** An expression that re2js takes, and under which names it has the groups of each name. */
export interface Rewritten {
  readonly expression: string
  readonly groups: ReadonlyMap<string, readonly string[]>
}

/** Quoted text, Unicode classes, other escapes, character classes, starts of named groups. */
const tokens = /\\Q.*?(?:\\E|$)|\\[pP](?:\{[^}]*\}|[a-zA-Z])|\\.|\[\^?\]?(?:\[:[^\]]*:\]|\\.|[^\]\\])*\]|\(\?P?<\w+>/gsu

/** Source: Go regexp/syntax. */
export function rewritten(source: string): Rewritten {
  const groups = new Map<string, string[]>()
  const expression = source.replace(tokens, (token) => {
    if (/^\\[pP]/.test(token)) return unicodeClass(token)
    if (token.startsWith('['))
      return token.replace(/\\[pP](?:\{[^}]*\}|[a-zA-Z])|\\./gsu, (each) => (/^\\[pP]/.test(each) ? unicodeClass(each) : each))
    const [, name] = /^\(\?P?<(\w+)>$/.exec(token) ?? []
    if (name === undefined) return token
    const others = groups.get(name) ?? []
    const unique = others.length === 0 ? name : `${name}__${others.length}`
    groups.set(name, [...others, unique])
    return `(?P<${unique}>`
  })
  return { expression, groups }
}

/** Spaces, `-` and `_` do not count, nor does case. Source: Go regexp/syntax canonicalName. */
function unicodeClass(token: string): string {
  const [, kind, negation = '', name = ''] = /^\\([pP])\{?(\^?)([^}]*)\}?$/s.exec(token) ?? []
  const plain = name.replace(/[_\- ]/g, '').toLowerCase()
  const canonical = plain.charAt(0).toUpperCase() + plain.slice(1)
  return `\\${kind}{${negation}${aliases.get(plain) ?? canonical}}`
}

/** Source: Unicode's PropertyValueAliases, general categories. */
const aliases: ReadonlyMap<string, string> = new Map([
  ['casedletter', 'Lc'],
  ['closepunctuation', 'Pe'],
  ['cntrl', 'Cc'],
  ['combiningmark', 'M'],
  ['connectorpunctuation', 'Pc'],
  ['control', 'Cc'],
  ['currencysymbol', 'Sc'],
  ['dashpunctuation', 'Pd'],
  ['decimalnumber', 'Nd'],
  ['digit', 'Nd'],
  ['enclosingmark', 'Me'],
  ['finalpunctuation', 'Pf'],
  ['format', 'Cf'],
  ['initialpunctuation', 'Pi'],
  ['letter', 'L'],
  ['letternumber', 'Nl'],
  ['lineseparator', 'Zl'],
  ['lowercaseletter', 'Ll'],
  ['mark', 'M'],
  ['mathsymbol', 'Sm'],
  ['modifierletter', 'Lm'],
  ['modifiersymbol', 'Sk'],
  ['nonspacingmark', 'Mn'],
  ['number', 'N'],
  ['openpunctuation', 'Ps'],
  ['other', 'C'],
  ['otherletter', 'Lo'],
  ['othernumber', 'No'],
  ['otherpunctuation', 'Po'],
  ['othersymbol', 'So'],
  ['paragraphseparator', 'Zp'],
  ['privateuse', 'Co'],
  ['punct', 'P'],
  ['punctuation', 'P'],
  ['separator', 'Z'],
  ['spaceseparator', 'Zs'],
  ['spacingmark', 'Mc'],
  ['surrogate', 'Cs'],
  ['symbol', 'S'],
  ['titlecaseletter', 'Lt'],
  ['unassigned', 'Cn'],
  ['uppercaseletter', 'Lu'],
])
