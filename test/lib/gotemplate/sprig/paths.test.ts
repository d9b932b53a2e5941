import { describe, expect, it } from 'vitest'
import { evaluate } from './evaluate.ts'

// The expected texts are those of sprig 3.3.0 in Go.
describe('paths', () => {
  it.each([
    ['base "a/b/"', 'b'],
    ['base ""', '.'],
    ['base "///"', '/'],
    ['dir "a/b/c"', 'a/b'],
    ['dir "a/b/"', 'a/b'],
    ['dir ""', '.'],
    ['dir "/a"', '/'],
    ['clean "/../a/./b//c/.."', '/a/b'],
    ['clean "../../a/.."', '../..'],
    ['clean "a/../.."', '..'],
    ['clean ""', '.'],
    ['ext "a.tar.gz"', '.gz'],
    ['ext "a.b/c"', ''],
    ['ext "x."', '.'],
    ['isAbs "/a"', 'true'],
    ['isAbs "a"', 'false'],
    ['osBase "a/b"', 'b'],
    ['osDir "a//b"', 'a'],
    ['osClean "a//b/../c"', 'a/c'],
    ['osExt "x.y"', '.y'],
    ['osIsAbs ""', 'false'],
  ])('takes paths apart: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })
})
