import { describe, expect, it } from 'vitest'
import { Budget, type Environment, LimitError } from '../../../src/lib/gotemplate/environment.ts'
import { htmlEscape, jsEscape, urlQueryEscape } from '../../../src/lib/gotemplate/escape.ts'
import { formatFunctions } from '../../../src/lib/gotemplate/format-functions.ts'
import { int, type Value } from '../../../src/lib/gotemplate/value.ts'
import { pointerStringer, pointerToInner, pointerToPointerStringer, pointerToStringer, stringer } from './go-values.ts'

/** Expected texts made by Go 1.26. */
const escapes: readonly (readonly [text: string, html: string, js: string, url: string])[] = [
  ['', '', '', ''],
  ['plain text', 'plain text', 'plain text', 'plain+text'],
  [
    '<a href="x">\'&\'</a>',
    '&lt;a href=&#34;x&#34;&gt;&#39;&amp;&#39;&lt;/a&gt;',
    '\\u003Ca href\\u003D\\"x\\"\\u003E\\\'\\u0026\\\'\\u003C/a\\u003E',
    '%3Ca+href%3D%22x%22%3E%27%26%27%3C%2Fa%3E',
  ],
  ['a\0b\\', 'a\ufffdb\\', 'a\\u0000b\\\\', 'a%00b%5C'],
  ['\x01\n\x1f\x7f', '\x01\n\x1f\x7f', '\\u0001\\u000A\\u001F\x7f', '%01%0A%1F%7F'],
  ['é日😀\u00ad', 'é日😀\u00ad', 'é日😀\\u00AD', '%C3%A9%E6%97%A5%F0%9F%98%80%C2%AD'],
  ['\u2028\u{e0001}\ufffd', '\u2028\u{e0001}\ufffd', '\\u2028\\uE0001\ufffd', '%E2%80%A8%F3%A0%80%81%EF%BF%BD'],
  ['a\udcffb', 'a\udcffb', 'a\udcffb', 'a%FFb'],
  ['b+c/d?e=f~g-h_i.j', 'b+c/d?e=f~g-h_i.j', 'b+c/d?e\\u003Df~g-h_i.j', 'b%2Bc%2Fd%3Fe%3Df~g-h_i.j'],
  ["!'()*", '!&#39;()*', "!\\'()*", '%21%27%28%29%2A'],
]

describe('escapers', () => {
  it.each(escapes)('escape %j for HTML, JavaScript and queries', (text, html, js, url) => {
    expect([htmlEscape(text), jsEscape(text), urlQueryEscape(text)]).toEqual([html, js, url])
  })
})

describe('functions of templates', () => {
  it.each<[string, readonly Value[], string]>([
    ['print', [int(1), int(2), 'a', null], '1 2a<nil>'],
    ['println', ['a', int(1)], 'a 1\n'],
    ['printf', ['%s=%d', 'a', int(1)], 'a=1'],
    ['html', ['<', int(1), null], '&lt;1&lt;no value&gt;'],
    ['html', [null], '&lt;no value&gt;'],
    ['html', [], ''],
    ['html', [pointerToInner('<', 1, null)], '{&lt; 1 &lt;nil&gt;}'],
    ['js', [stringer(1), pointerToStringer(2)], 'text\\u003C1\\u003E text\\u003C2\\u003E'],
    ['urlquery', [pointerToPointerStringer(1), pointerStringer(1)], 'ptext+%7B1+%7B1%7D+text%3C2%3E%7D'],
    ['urlquery', ['a b', 'c'], 'a+bc'],
  ])('%s of %s gives %j', (name, args, expected) => {
    expect(functionsWith(new Budget()).get(name)?.call(args)).toBe(expected)
  })

  it.each(['print', 'println', 'printf', 'html', 'js', 'urlquery'])('charge what %s makes', (name) => {
    const functions = functionsWith(new Budget({ maxBytes: 100 }))
    expect(() => functions.get(name)?.call(['x'.repeat(101)])).toThrow(LimitError)
  })
})

function functionsWith(budget: Budget): ReturnType<typeof formatFunctions> {
  const environment: Environment = { now: () => 0, random: (length) => new Uint8Array(length), zone: 'UTC', budget }
  return formatFunctions(environment)
}
