import { describe, expect, it } from 'vitest'
import type { Chart } from '../../../src/lib/chart/chart.ts'
import { checkSchemas } from '../../../src/lib/chart/schema.ts'
import { readValues } from '../../../src/lib/chart/values-file.ts'
import { messageOf } from '../../../src/lib/errors.ts'
import { LimitError } from '../../../src/lib/gotemplate/environment.ts'

const heading = "values don't meet the specifications of the schema(s) in the following chart(s):\n"

describe('schemas, as Helm answers', () => {
  const cases: readonly [string, string, string][] = [
    ['{"properties":{"a":{"type":["string","null"]}}}', 'a: 1', "- at '/a': got number, want null or string\n"],
    ['{"required":["x","y"]}', '{}', "- at '': missing properties 'x', 'y'\n"],
    ['{"additionalProperties":false}', 'b: 1\na: 2', "- at '': additional properties 'a', 'b' not allowed\n"],
    [
      '{"properties":{"a":{"minimum":1500.5,"multipleOf":7}}}',
      'a: 1000',
      "- at '/a': minimum: got 1,000, want 1,500.5\n- at '/a': multipleOf: got 1,000, want 7\n",
    ],
    ['{"properties":{"a":{"maximum":1000000}}}', 'a: 12345678', "- at '/a': maximum: got 1.2345678×10⁰⁷, want 1×10⁰⁶\n"],
    ['{"properties":{"a":{"enum":["x",1.0,null]}}}', 'a: y', "- at '/a': value must be one of 'x', 1.0, <nil>\n"],
    ['{"properties":{"a":{"const":{"k":1}}}}', 'a: {}', "- at '/a': 'const' failed\n"],
    [
      '{"properties":{"a":{"pattern":"^[a-z]+$","maxLength":2}}}',
      'a: "It\'s"',
      "- at '/a': maxLength: got 4, want 2\n- at '/a': 'It\\'s' does not match pattern '^[a-z]+$'\n",
    ],
    [
      '{"properties":{"a":{"uniqueItems":true,"maxItems":1}}}',
      'a: [1, 1.0]',
      "- at '/a': maxItems: got 2, want 1\n- at '/a': items at 0 and 1 are equal\n",
    ],
    [
      '{"properties":{"a":{"anyOf":[{"type":"string"},{"required":["b"]}]}}}',
      'a: {}',
      "- at '/a': 'anyOf' failed\n  - at '/a': got object, want string\n  - at '/a': missing property 'b'\n",
    ],
    ['{"properties":{"a":{"oneOf":[{},{}]}}}', 'a: 1', "- at '/a': 'oneOf' failed, subschemas 0, 1 matched\n"],
    [
      '{"properties":{"a":{"oneOf":[false,{"type":"null"}]}}}',
      'a: 1',
      "- at '/a': 'oneOf' failed, none matched\n  - at '/a': false schema\n  - at '/a': got number, want null\n",
    ],
    ['{"properties":{"a":{"not":{}}}}', 'a: 1', "- at '/a': 'not' failed\n"],
    [
      '{"$defs":{"p":{"type":"integer","minimum":1,"maximum":0}},"properties":{"a/b":{"$ref":"#/$defs/p"}}}',
      'a/b: 0.5',
      "- at '/a~1b': got number, want integer\n",
    ],
    [
      '{"$defs":{"p":{"minimum":1,"multipleOf":2}},"properties":{"a":{"$ref":"#/$defs/p"}}}',
      'a: 0.5',
      "- at '/a': validation failed\n  - at '/a': minimum: got 0.5, want 1\n  - at '/a': multipleOf: got 0.5, want 2\n",
    ],
    [
      '{"properties":{"a":{"contains":{"type":"string"},"minContains":2}}}',
      'a: [x, 1]',
      "- at '/a': min 2 items required to match contains schema, but matched 1 items at 0\n  - at '/a/1': got number, want string\n",
    ],
    ['{"propertyNames":{"maxLength":1}}', 'ab: 1', "- at '': invalid propertyName 'ab'\n  - at '': maxLength: got 2, want 1\n"],
    ['{"properties":{"a":{}},"unevaluatedProperties":false}', 'b: 1', "- at '/b': false schema\n"],
    ['{"if":{"required":["a"]},"then":{"required":["b"]}}', 'a: 1', "- at '': missing property 'b'\n"],
    ['{"dependentRequired":{"a":["b","c"]}}', 'a: 1', "- at '': properties 'b', 'c' required, if 'a' exists\n"],
    [
      '{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"a":{"format":"ipv4"}}}',
      'a: 1.2.3',
      "- at '/a': '1.2.3' is not valid ipv4: expected four decimals\n",
    ],
    ['{"properties":{"a":{"format":"ipv4"}}}', 'a: 1.2.3', ''],
    [
      '{"$schema":"http://json-schema.org/draft-04/schema#","properties":{"a":{"minimum":1,"exclusiveMinimum":true}}}',
      'a: 1',
      "- at '/a': exclusiveMinimum: got 1, want 1\n",
    ],
    [
      '{"$schema":"http://json-schema.org/draft-07/schema#","items":[{}],"properties":{"a":{"items":[{}],"additionalItems":false}}}',
      'a: [1, 2, 3]',
      "- at '/a': last 2 additionalItem(s) not allowed\n",
    ],
    [
      '{"$schema":"https://json-schema.org/draft/2019-09/schema","properties":{"a":{"$recursiveRef":"#"}},"additionalProperties":false}',
      'a: {b: 1}',
      "- at '/a': additional properties 'b' not allowed\n",
    ],
    [
      '{"type":"strin"}',
      '{}',
      "\"file:///values.schema.json#\" is not valid against metaschema: jsonschema validation failed with 'https://json-schema.org/draft/2020-12/schema#'\n- at '': 'allOf' failed\n  - at '/type': 'anyOf' failed\n    - at '/type': value must be one of 'array', 'boolean', 'integer', 'null', 'number', 'object', 'string'\n    - at '/type': got string, want array",
    ],
    [
      '{"properties":{"a":{"pattern":"("}}}',
      '{}',
      "\"file:///values.schema.json#\" is not valid against metaschema: jsonschema validation failed with 'https://json-schema.org/draft/2020-12/schema#'\n- at '': 'allOf' failed\n  - at '/properties/a': 'allOf' failed\n    - at '/properties/a/pattern': '(' is not valid regex: error parsing regexp: missing closing ): `(`",
    ],
    ['{"$ref":"#/$defs/none"}', '{}', 'json-pointer in "file:///values.schema.json#/$defs/none" not found'],
    ['{"$ref":"other.json"}', '{}', 'failing loading "file:///other.json": open /other.json: no such file or directory'],
    ['{"$ref":"urn:any"}', '{}', ''],
    ['{"$ref":"#anchor"}', '{}', 'anchor in "file:///values.schema.json#anchor" not found in schema "file:///values.schema.json"'],
    ['{"$ref":"#"}', '{}', '- at \'\': both /$ref and  resolve to "file:///values.schema.json#" causing reference cycle\n'],
    ['{"a":1,}', '{}', "invalid character '}' looking for beginning of object key string"],
    ['{"a":1} x', '{}', 'invalid character after top-level value'],
    ['', '{}', 'EOF'],
  ]
  it.each(cases)('%s with %s', (schema, values, expected) => {
    expect(problem(chart('app', schema), values)).toBe(expected === '' ? '' : `${heading}app:\n${expected}`)
  })
})

describe('charts with dependencies', () => {
  const leaf = chart('leaf', '{"required":["port"]}')

  it('tells what is wrong with each chart, the parent first', () => {
    const app = chart('app', '{"required":["name"]}', [leaf])
    expect(problem(app, 'leaf: {}')).toBe(
      `${heading}app:\n- at '': missing property 'name'\nleaf:\n- at '': missing property 'port'\n`,
    )
  })

  it('passes over a dependency without values', () => {
    expect(problem(chart('app', '{}', [leaf]), 'leaf: null')).toBe('')
  })

  it('refuses values for a dependency that are no table', () => {
    expect(problem(chart('app', '{}', [leaf]), 'leaf: 5')).toBe(
      `${heading}leaf:\ninvalid type for values: expected object (map), got float64\n`,
    )
  })
})

describe('schemas at other places', () => {
  const app = chart('app', '{"$ref":"https://schemas.example/a.json"}')

  it('are refused when nobody fetches them', () => {
    expect(problem(app, '{}')).toContain('failing loading "https://schemas.example/a.json"')
  })

  it('are used when they are handed in', () => {
    const fetched = chart('app', '{"$ref":"https://schemas.example/a.json"}')
    expect(() => checkSchemas(fetched, readValues('{}'), { fetchSchema: () => '{"required":["a"]}' })).toThrow(
      "missing property 'a'",
    )
  })
})

describe('hostile schemas', () => {
  it('end when they take exponential time', () => {
    const defs = Array.from({ length: 40 }, (_, i) => [
      `d${i}`,
      { anyOf: [{ $ref: `#/$defs/d${i + 1}` }, { $ref: `#/$defs/d${i + 1}` }] },
    ])
    const schema = { $ref: '#/$defs/d0', $defs: { ...Object.fromEntries(defs), d40: false } }
    expect(() => checkSchemas(chart('app', JSON.stringify(schema)), new Map())).toThrow(LimitError)
  }, 60_000)

  it('end when they nest without end', () => {
    const defs = Array.from({ length: 20_000 }, (_, i) => [`d${i}`, { $ref: `#/$defs/d${i + 1}` }])
    const schema = { $ref: '#/$defs/d0', $defs: { ...Object.fromEntries(defs), d20000: {} } }
    expect(() => checkSchemas(chart('app', JSON.stringify(schema)), new Map())).toThrow(LimitError)
  }, 60_000)

  it('run no code and reach no prototype', () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it must stay a text
    const schema = '{"properties":{"a`${process.exit()}`":{},"constructor":{"type":"string"}},"required":["toString"]}'
    expect(problem(chart('app', schema), 'constructor: 1')).toBe(
      `${heading}app:\n- at '': missing property 'toString'\n- at '/constructor': got number, want string\n`,
    )
  })
})

function chart(name: string, schema: string, dependencies: readonly Chart[] = []): Chart {
  const metadata = { name, version: '1.0.0', apiVersion: 'v2' }
  return { metadata, schema: new TextEncoder().encode(schema), templates: [], files: [], raw: [], values: new Map(), dependencies }
}

function problem(app: Chart, values: string): string {
  try {
    checkSchemas(app, readValues(values))
    return ''
  } catch (error) {
    return messageOf(error)
  }
}
