import { describe, expect, it } from 'vitest'
import { checkDependencies, processDependencies } from '../../../src/lib/chart/dependencies.ts'
import { loadChart } from '../../../src/lib/chart/load.ts'
import { coalesceValues } from '../../../src/lib/chart/values.ts'
import { messageOf } from '../../../src/lib/errors.ts'
import type { Json } from '../../../src/lib/json.ts'
import { memoryTree } from '../../../src/lib/tree.ts'
import { plain, table } from './values.ts'

type Files = Readonly<Record<string, string>>

describe('values and dependencies of a chart, as Helm answers', () => {
  const cases: readonly [string, Files, Json, object][] = [
    [
      'drops nulls of the chart and lets a user null remove a default',
      {
        'Chart.yaml': '{"apiVersion": "v2", "name": "app", "version": "1.0.0"}',
        'values.yaml': '{"a": null, "b": {"c": null, "d": 1}, "e": 2}',
      },
      { e: null, 'new': null },
      { values: { b: { d: 1 }, 'new': null }, charts: [] },
    ],
    [
      'keeps a table where a scalar would replace it',
      { 'Chart.yaml': '{"apiVersion": "v2", "name": "app", "version": "1.0.0"}', 'values.yaml': '{"a": {"b": 1}}' },
      { a: { c: 2 } },
      { values: { a: { b: 1, c: 2 } }, charts: [] },
    ],
    [
      'lets a scalar of the user replace a table',
      { 'Chart.yaml': '{"apiVersion": "v2", "name": "app", "version": "1.0.0"}', 'values.yaml': '{"a": {"b": 1}}' },
      { a: 5 },
      { values: { a: 5 }, charts: [] },
    ],
    [
      'gives globals to every dependency, the parent first',
      {
        'Chart.yaml': '{"apiVersion": "v2", "name": "app", "version": "1.0.0"}',
        'values.yaml': '{"global": {"g": {"x": 1}}}',
        'charts/leaf/Chart.yaml': '{"apiVersion": "v2", "name": "leaf", "version": "1.0.0"}',
        'charts/leaf/values.yaml': '{"global": {"g": {"x": 2, "y": 3}, "own": 1}}',
      },
      { global: { g: { z: 9 } } },
      { values: { global: { g: { x: 1, z: 9 } }, leaf: { global: { g: { x: 1, y: 3, z: 9 }, own: 1 } } }, charts: ['leaf'] },
    ],
    [
      'keeps a user null for a dependency until its defaults come',
      {
        'Chart.yaml': '{"apiVersion": "v2", "name": "app", "version": "1.0.0"}',
        'values.yaml': '{"leaf": {"a": 1}}',
        'charts/leaf/Chart.yaml': '{"apiVersion": "v2", "name": "leaf", "version": "1.0.0"}',
        'charts/leaf/values.yaml': '{"a": 2, "b": 3}',
      },
      { leaf: { b: null } },
      { values: { leaf: { a: 1, global: {} } }, charts: ['leaf'] },
    ],
    [
      'refuses a value for a dependency that is no table',
      {
        'Chart.yaml': '{"apiVersion": "v2", "name": "app", "version": "1.0.0"}',
        'values.yaml': '{}',
        'charts/leaf/Chart.yaml': '{"apiVersion": "v2", "name": "leaf", "version": "1.0.0"}',
        'charts/leaf/values.yaml': '{}',
      },
      { leaf: [1] },
      { error: 'type mismatch on leaf: [%!t(float64=1)]' },
    ],
    [
      'switches a dependency off by its condition',
      {
        'Chart.yaml':
          '{"apiVersion": "v2", "name": "app", "version": "1.0.0", "dependencies": [{"name": "leaf", "version": "1.x", "repository": "", "condition": "leaf.on"}]}',
        'values.yaml': '{"leaf": {"on": false}}',
        'charts/leaf/Chart.yaml': '{"apiVersion": "v2", "name": "leaf", "version": "1.0.0"}',
        'charts/leaf/values.yaml': '{"k": 1}',
      },
      {},
      { values: { leaf: { on: false } }, charts: [] },
    ],
    [
      'takes the first condition that is there, and conditions before tags',
      {
        'Chart.yaml':
          '{"apiVersion": "v2", "name": "app", "version": "1.0.0", "dependencies": [{"name": "leaf", "version": "1.x", "repository": "", "condition": "no.where,x.on,leaf.on", "tags": ["t"]}]}',
        'values.yaml': '{"x": {"on": true}, "leaf": {"on": false}, "tags": {"t": false}}',
        'charts/leaf/Chart.yaml': '{"apiVersion": "v2", "name": "leaf", "version": "1.0.0"}',
        'charts/leaf/values.yaml': '{"k": 1}',
      },
      {},
      { values: { leaf: { global: {}, k: 1, on: false }, tags: { t: false }, x: { on: true } }, charts: ['leaf'] },
    ],
    [
      'switches off by tags unless one is true',
      {
        'Chart.yaml':
          '{"apiVersion": "v2", "name": "app", "version": "1.0.0", "dependencies": [{"name": "leaf", "version": "1.x", "repository": "", "tags": ["a"]}, {"name": "twig", "version": "1.x", "repository": "", "tags": ["a", "b"]}]}',
        'values.yaml': '{"tags": {"a": false, "b": true}}',
        'charts/leaf/Chart.yaml': '{"apiVersion": "v2", "name": "leaf", "version": "1.0.0"}',
        'charts/leaf/values.yaml': '{}',
        'charts/twig/Chart.yaml': '{"apiVersion": "v2", "name": "twig", "version": "1.0.0"}',
        'charts/twig/values.yaml': '{}',
      },
      {},
      { values: { tags: { a: false, b: true }, twig: { global: {} } }, charts: ['twig'] },
    ],
    [
      'uses one chart under several names',
      {
        'Chart.yaml':
          '{"apiVersion": "v2", "name": "app", "version": "1.0.0", "dependencies": [{"name": "leaf", "version": "^1", "repository": "", "alias": "one"}, {"name": "leaf", "version": "^1", "repository": "", "alias": "two"}]}',
        'values.yaml': '{"one": {"k": 1}}',
        'charts/leaf/Chart.yaml': '{"apiVersion": "v2", "name": "leaf", "version": "1.0.0"}',
        'charts/leaf/values.yaml': '{"k": 0}',
      },
      {},
      { values: { one: { global: {}, k: 1 }, two: { global: {}, k: 0 } }, charts: ['one', 'two'] },
    ],
    [
      'leaves a chart of another version as it is',
      {
        'Chart.yaml':
          '{"apiVersion": "v2", "name": "app", "version": "1.0.0", "dependencies": [{"name": "leaf", "version": "^2", "repository": "", "alias": "two"}]}',
        'values.yaml': '{}',
        'charts/leaf/Chart.yaml': '{"apiVersion": "v2", "name": "leaf", "version": "1.0.0"}',
        'charts/leaf/values.yaml': '{"k": 0}',
      },
      {},
      { values: { leaf: { global: {}, k: 0 } }, charts: ['leaf'] },
    ],
    [
      'imports exports and tables below what the parent says',
      {
        'Chart.yaml':
          '{"apiVersion": "v2", "name": "app", "version": "1.0.0", "dependencies": [{"name": "leaf", "version": "1.x", "repository": "", "import-values": ["data", {"child": "deep.er", "parent": "got"}, "missing"]}]}',
        'values.yaml': '{"port": 1, "got": {"a": 1}}',
        'charts/leaf/Chart.yaml': '{"apiVersion": "v2", "name": "leaf", "version": "1.0.0"}',
        'charts/leaf/values.yaml': '{"exports": {"data": {"port": 2, "extra": 3}}, "deep": {"er": {"a": 2, "b": 4}}}',
      },
      {},
      {
        values: {
          extra: 3,
          got: { a: 1, b: 4 },
          leaf: { deep: { er: { a: 2, b: 4 } }, exports: { data: { extra: 3, port: 2 } }, global: {} },
          port: 1,
        },
        charts: ['leaf'],
      },
    ],
    [
      'imports through several levels',
      {
        'Chart.yaml':
          '{"apiVersion": "v2", "name": "app", "version": "1.0.0", "dependencies": [{"name": "mid", "version": "1.x", "repository": "", "import-values": [{"child": "up", "parent": "."}]}]}',
        'values.yaml': '{}',
        'charts/mid/Chart.yaml':
          '{"apiVersion": "v2", "name": "mid", "version": "1.0.0", "dependencies": [{"name": "leaf", "version": "1.x", "repository": "", "import-values": [{"child": "v", "parent": "up"}]}]}',
        'charts/mid/values.yaml': '{}',
        'charts/mid/charts/leaf/Chart.yaml': '{"apiVersion": "v2", "name": "leaf", "version": "1.0.0"}',
        'charts/mid/charts/leaf/values.yaml': '{"v": {"x": 7}}',
      },
      {},
      { values: { mid: { global: {}, leaf: { global: {}, v: { x: 7 } }, up: { x: 7 } }, x: 7 }, charts: ['mid'] },
    ],
    [
      'judges conditions of nested dependencies by their place',
      {
        'Chart.yaml':
          '{"apiVersion": "v2", "name": "app", "version": "1.0.0", "dependencies": [{"name": "mid", "version": "1.x", "repository": ""}]}',
        'values.yaml': '{"mid": {"leaf": {"on": false}}}',
        'charts/mid/Chart.yaml':
          '{"apiVersion": "v2", "name": "mid", "version": "1.0.0", "dependencies": [{"name": "leaf", "version": "1.x", "repository": "", "condition": "leaf.on"}]}',
        'charts/mid/values.yaml': '{}',
        'charts/mid/charts/leaf/Chart.yaml': '{"apiVersion": "v2", "name": "leaf", "version": "1.0.0"}',
        'charts/mid/charts/leaf/values.yaml': '{"on": true}',
      },
      {},
      { values: { mid: { global: {}, leaf: { on: false } } }, charts: ['mid'] },
    ],
  ]
  it.each(cases)('%s', (_title, files, values, expected) => {
    expect(outcome(files, values)).toEqual(expected)
  })
})

function outcome(files: Files, values: Json): unknown {
  const given = table(values)
  const chart = loadChart(memoryTree(Object.entries(files)))
  try {
    const processed = processDependencies(chart, given)
    const charts = processed.dependencies.map(({ metadata }) => metadata.name).sort()
    return { values: plain(coalesceValues(processed, given)), charts }
  } catch (error) {
    return { error: messageOf(error) }
  }
}

describe('a loaded chart', () => {
  const files = {
    'Chart.yaml':
      '{"apiVersion":"v2","name":"app","version":"1.0.0","dependencies":[{"name":"leaf","version":"*","alias":"twig","import-values":["data"]}]}',
    'values.yaml': '{"global":{"a":{"b":1}},"twig":{"k":null}}',
    'charts/leaf/Chart.yaml': '{"apiVersion":"v2","name":"leaf","version":"1.0.0"}',
    'charts/leaf/values.yaml': '{"k":1,"exports":{"data":{"x":{"y":1}}},"global":{"a":{"c":2}}}',
  }

  it('stays as it is when it is processed and its values are merged', () => {
    const chart = loadChart(memoryTree(Object.entries(files)))
    const before = JSON.stringify(chart, withMaps)
    const processed = processDependencies(chart, new Map())
    const between = JSON.stringify(processed, withMaps)
    coalesceValues(processed, table({ twig: { k: 2 } }))
    expect(JSON.stringify(chart, withMaps)).toBe(before)
    expect(JSON.stringify(processed, withMaps)).toBe(between)
  })

  it('is refused when a dependency is not there', () => {
    const chart = loadChart(
      memoryTree([['Chart.yaml', '{"name":"app","version":"1.0.0","dependencies":[{"name":"a"},{"name":"b"}]}']]),
    )
    expect(() => checkDependencies(chart)).toThrow('found in Chart.yaml, but missing in charts/ directory: a, b')
  })
})

function withMaps(_key: string, value: unknown): unknown {
  return value instanceof Map ? Object.fromEntries(value) : value
}
