import { describe, expect, it } from 'vitest'
import { evaluate } from './evaluate.ts'

// The expected texts are those of sprig 3.3.0 in Go.
describe('URLs', () => {
  it.each([
    [
      'urlParse "https://u%40:p%3a@h:80/a%20b?x=%zz#%20f"',
      'map[fragment: f host:h:80 hostname:h opaque: path:/a b query:x=%zz scheme:https userinfo:u%40:p%3A]',
    ],
    ['urlParse "mailto:a@b"', 'map[fragment: host: hostname: opaque:a@b path: query: scheme:mailto userinfo:]'],
    ['urlParse "/p?q#f"', 'map[fragment:f host: hostname: opaque: path:/p query:q scheme: userinfo:]'],
    ['urlParse "//h/p"', 'map[fragment: host:h hostname:h opaque: path:/p query: scheme: userinfo:]'],
    [
      'urlParse "http://[fe80::1%25en0]:80/x"',
      'map[fragment: host:[fe80::1%en0]:80 hostname:fe80::1%en0 opaque: path:/x query: scheme:http userinfo:]',
    ],
    ['urlParse "http:///p"', 'map[fragment: host: hostname: opaque: path:/p query: scheme:http userinfo:]'],
    ['urlParse "*"', 'map[fragment: host: hostname: opaque: path:* query: scheme: userinfo:]'],
    ['urlParse ""', 'map[fragment: host: hostname: opaque: path: query: scheme: userinfo:]'],
    ['urlParse "x://h:1:2/"', 'map[fragment: host:h:1:2 hostname:h:1 opaque: path:/ query: scheme:x userinfo:]'],
    ['urlParse "http://日本/é?é#é"', 'map[fragment:é host:日本 hostname:日本 opaque: path:/é query:é scheme:http userinfo:]'],
  ])('parses: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    ['urlParse ":x"', 'error: unable to parse url: parse ":x": missing protocol scheme'],
    ['urlParse "%zz"', 'error: unable to parse url: parse "%zz": invalid URL escape "%zz"'],
    ['urlParse "http://a b/"', 'error: unable to parse url: parse "http://a b/": invalid character " " in host name'],
    ['urlParse "http://a{}/"', 'error: unable to parse url: parse "http://a{}/": invalid character "{" in host name'],
    ['urlParse "http://h:x/"', 'error: unable to parse url: parse "http://h:x/": invalid port ":x" after host'],
    ['urlParse "http://h:1:2/"', 'error: unable to parse url: parse "http://h:1:2/": invalid port ":1:2" after host'],
    ['urlParse "http://h%41/"', 'error: unable to parse url: parse "http://h%41/": invalid URL escape "%41"'],
    ['urlParse "http://[::1"', `error: unable to parse url: parse "http://[::1": missing ']' in host`],
    ['urlParse "http://a[::1]"', 'error: unable to parse url: parse "http://a[::1]": invalid IP-literal'],
    ['urlParse "http://[1.2.3.4]/"', 'error: unable to parse url: parse "http://[1.2.3.4]/": invalid IP-literal'],
    [
      'urlParse "http://[1.2.3]/"',
      'error: unable to parse url: parse "http://[1.2.3]/": invalid host: ParseAddr("1.2.3"): IPv4 address too short',
    ],
    [
      'urlParse "http://[1.2.3.400]/"',
      'error: unable to parse url: parse "http://[1.2.3.400]/": invalid host: ParseAddr("1.2.3.400"): IPv4 field has value >255',
    ],
    [
      'urlParse "http://[::g]/"',
      'error: unable to parse url: parse "http://[::g]/": invalid host: ParseAddr("::g"): each colon-separated field must have at least one digit (at "g")',
    ],
    [
      'urlParse "http://[1:2:3]/"',
      'error: unable to parse url: parse "http://[1:2:3]/": invalid host: ParseAddr("1:2:3"): address string too short',
    ],
    [
      'urlParse "http://[1::2::3]/"',
      'error: unable to parse url: parse "http://[1::2::3]/": invalid host: ParseAddr("1::2::3"): multiple :: in address (at ":3")',
    ],
    [
      'urlParse "http://[::1.2.3.4.5]/"',
      'error: unable to parse url: parse "http://[::1.2.3.4.5]/": invalid host: ParseAddr("::1.2.3.4.5"): IPv4 address too long',
    ],
    [
      'urlParse "http://[12345::]/"',
      'error: unable to parse url: parse "http://[12345::]/": invalid host: ParseAddr("12345::"): each group must have 4 or less digits (at "12345::")',
    ],
    ['urlParse "http://[]/"', 'error: unable to parse url: parse "http://[]/": invalid host: ParseAddr(""): unable to parse IP'],
    [
      'urlParse "http://[::1%25]/"',
      'error: unable to parse url: parse "http://[::1%25]/": invalid host: ParseAddr("::1%"): zone must be a non-empty string',
    ],
    ['urlParse "http://u^@h/"', 'error: unable to parse url: parse "http://u^@h/": net/url: invalid userinfo'],
    ['urlParse "http://h/#%zz"', 'error: unable to parse url: parse "http://h/#%zz": invalid URL escape "%zz"'],
    ['urlParse "a:b\\x01"', 'error: unable to parse url: parse "a:b\\x01": net/url: invalid control character in URL'],
    ['urlParse "1a:b"', 'error: unable to parse url: parse "1a:b": first path segment in URL cannot contain colon'],
  ])('explains what is no URL: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })

  it.each([
    [
      'urlJoin (dict "scheme" "http" "host" "h:1" "path" "/a b?" "query" "q=1" "fragment" "x y" "userinfo" "u:p@")',
      'http://u:p%40@h:1/a%20b%3F?q=1#x%20y',
    ],
    ['urlJoin (dict "scheme" "mailto" "opaque" "a@b")', 'mailto:a@b'],
    ['urlJoin (dict "host" "h" "path" "p")', '//h/p'],
    ['urlJoin (dict "path" "a:b")', './a:b'],
    ['urlJoin (dict "path" "*")', '*'],
    ['urlJoin (dict "scheme" "file" "path" "/p")', 'file:///p'],
    ['urlJoin (dict "scheme" "s")', 's:'],
    ['urlJoin (dict)', ''],
    ['urlJoin (dict "scheme" 1)', 'error: unable to parse scheme key, must be of type string, but int found'],
    ['urlJoin (dict "scheme" nil)', 'error: runtime error: invalid memory address or nil pointer dereference'],
    [
      'urlJoin (dict "userinfo" "u%zz")',
      'error: unable to parse userinfo in dict: parse "proto://u%zz@host": invalid URL escape "%zz"',
    ],
  ])('joins: %s', (template, expected) => {
    expect(evaluate(template)).toBe(expected)
  })
})
