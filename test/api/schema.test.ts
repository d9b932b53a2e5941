import { describe, expect, expectTypeOf, it } from 'vitest'
import type { GitRepository } from '../../src/api/gitrepository.ts'
import type { Kustomization } from '../../src/api/kustomization.ts'
import type { Artifact, CommonStatus, Condition, FluxObject } from '../../src/api/meta.ts'
import {
  array,
  boolean,
  duration,
  type Infer,
  integer,
  map,
  object,
  oneOf,
  optional,
  shortDuration,
  string,
} from '../../src/api/schema.ts'

const schema = object(
  'All of it.',
  {
    name: string('A name.', { minLength: 1 }),
    mode: optional(oneOf('A mode.', ['a', 'b'], { default: 'a' })),
    ports: array('Ports.', integer('A port.', { minimum: 1 }), { maxItems: 3 }),
    labels: optional(map('Labels.', string('A value.'))),
    on: optional(boolean('A switch.')),
  },
  { rules: [{ rule: 'has(self.on)', message: 'on must be set' }], default: { name: 'x' } },
)

describe('a schema', () => {
  it('gives the type of its values', () => {
    expectTypeOf<Infer<typeof schema>>().toEqualTypeOf<{
      readonly name: string
      readonly ports: readonly number[]
      readonly mode?: 'a' | 'b'
      readonly labels?: Readonly<Record<string, string>>
      readonly on?: boolean
    }>()
  })

  it('gives the schema of the API server', () => {
    expect(schema.json).toEqual({
      type: 'object',
      description: 'All of it.',
      default: { name: 'x' },
      required: ['name', 'ports'],
      properties: {
        name: { type: 'string', description: 'A name.', minLength: 1 },
        mode: { type: 'string', description: 'A mode.', enum: ['a', 'b'], default: 'a' },
        ports: {
          type: 'array',
          description: 'Ports.',
          maxItems: 3,
          items: { type: 'integer', format: 'int64', description: 'A port.', minimum: 1 },
        },
        labels: { type: 'object', description: 'Labels.', additionalProperties: { type: 'string', description: 'A value.' } },
        on: { type: 'boolean', description: 'A switch.' },
      },
      'x-kubernetes-validations': [{ rule: 'has(self.on)', message: 'on must be set' }],
    })
  })

  it.each([
    ['5m', true, true],
    ['1m30s', true, true],
    ['1.5m', true, true],
    ['100ms', true, true],
    ['1h', true, false],
    ['1d', false, false],
    ['5', false, false],
    ['', false, false],
    ['-5m', false, false],
  ])('takes %j as a duration: %s, as one without hours: %s', (text, long, short) => {
    const accepts = (pattern = '') => new RegExp(pattern).test(text)
    expect([accepts(duration('').json.pattern), accepts(shortDuration('').json.pattern)]).toEqual([long, short])
  })
})

describe('the types of our kinds', () => {
  it('are those of Flux objects', () => {
    expectTypeOf<GitRepository>().toExtend<FluxObject>()
    expectTypeOf<Kustomization>().toExtend<FluxObject>()
    expectTypeOf<NonNullable<GitRepository['status']>>().toExtend<CommonStatus>()
    expectTypeOf<NonNullable<GitRepository['status']>['artifact']>().toEqualTypeOf<Artifact | undefined>()
    expectTypeOf<Condition['status']>().toEqualTypeOf<'True' | 'False' | 'Unknown'>()
    expectTypeOf<GitRepository['spec']['url']>().toEqualTypeOf<string>()
    expectTypeOf<Kustomization['spec']['sourceRef']['kind']>().toEqualTypeOf<
      'OCIRepository' | 'GitRepository' | 'Bucket' | 'ExternalArtifact'
    >()
    expectTypeOf<Kustomization['spec']['prune']>().toEqualTypeOf<boolean>()
    expectTypeOf<Kustomization['spec']['wait']>().toEqualTypeOf<boolean | undefined>()
  })
})
