import { describe, expect, it } from 'vitest'
import { LimitError } from '../../../../src/lib/gotemplate/environment.ts'
import { evaluate } from './evaluate.ts'

const limits = { maxBytes: 1_000_000, maxSteps: 1_000_000 }

function limited(expression: string): void {
  expect(() => evaluate(expression, new Map(), limits)).toThrow(LimitError)
}

describe('bounds of functions', () => {
  it.each([
    'repeat 2000000 "x"',
    'repeat 4000000000000 "x"',
    'indent 4000000000000 "x"',
    'indent 2000 (repeat 1000 "\\n")',
    'replace "" (repeat 2000 "y") (repeat 1000 "x")',
    'join (repeat 1000 "-") (until 2000)',
    'wrapWith 1 (repeat 1000 "-") (repeat 2000 "x")',
    'regexReplaceAll "" (repeat 2000 "x") (repeat 1000 "y")',
    'regexReplaceAll "(.*)" (repeat 1000 "x") (repeat 2000 "$1")',
    'upper (repeat 600000 "x")',
    'toJson (list (repeat 400000 "x") (repeat 400000 "<"))',
  ])('ends %s before there is too much text', limited)

  it.each([
    'until 4000000000',
    'until 9223372036854775807',
    'untilStep 0 -9223372036854775808 -1',
    'seq 1 4000000000',
    '$x := list 1 }}{{ range until 30 }}{{ $x = concat $x $x }}{{ end',
    '$x := until 100000 }}{{ $y := list }}{{ range until 100 }}{{ $y = append $y (reverse $x) }}{{ end',
    '$x := repeat 100000 "x" }}{{ range until 100 }}{{ $y := splitList "" $x }}{{ end',
    '$l := until 3000 }}{{ range $l }}{{ $x := has -1 $l }}{{ end',
  ])('ends %s before it takes too long', limited)

  const bush = '$x := list 1 }}{{ range until 40 }}{{ $x = list $x $x }}{{ end }}{{ $y := '
  it.each(['toJson', 'toPrettyJson', 'deepCopy', 'mustToRawJson'])(
    'ends %s of a list that lies in itself a billion times',
    (name) => {
      limited(`${bush}${name} $x`)
    },
  )
  it('ends the comparison of such lists', () => {
    limited(
      `$a := list 1 }}{{ $b := list 1 }}{{ range until 40 }}{{ $a = list $a $a }}{{ $b = list $b $b }}{{ end }}{{ deepEqual $a $b`,
    )
  })

  it('ends a merge of dicts that lie in themselves', () => {
    limited('$a := dict }}{{ $_ := set $a "a" $a }}{{ $b := dict }}{{ $_ := set $b "a" $b }}{{ merge $a $b')
  })
  it('ends a copy of a dict that lies in itself', () => limited('$a := dict }}{{ $_ := set $a "a" $a }}{{ deepCopy $a'))
  it('ends JSON of a dict that lies in itself: as Go does where the stack is deep enough', () => {
    const print = () => evaluate('$a := dict }}{{ $_ := set $a "a" (list $a) }}{{ mustToJson $a')
    let ended: string
    try {
      ended = print()
    } catch (error) {
      expect(error).toBeInstanceOf(LimitError)
      ended = String(error)
    }
    expect(ended).toMatch(/^error: json: unsupported value: encountered a cycle via map|nests too deeply/)
  })
  it('survives lists that are nested more deeply than the stack', () => {
    expect(() => evaluate('$x := list }}{{ range until 200000 }}{{ $x = list $x }}{{ end }}{{ toJson $x')).toThrow(LimitError)
  })

  it('matches expressions in linear time', () => {
    expect(evaluate('regexMatch "(a*)*b" (repeat 30000 "a")')).toBe('false')
    expect(evaluate('regexMatch "(x+x+)+y" (repeat 30000 "x")')).toBe('false')
  })
  it('ends a search that starts over from each match', () => {
    limited('regexFindAll "(x.*y)|x" (repeat 50000 "x") -1 | len')
  })
})
