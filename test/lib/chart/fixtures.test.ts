/** What the real Helm answers to cases of our own and to those that the fuzzer found: see test/tools/helm/goldens.ts. */
import { basename } from 'node:path'
import { describe, expect, it } from 'vitest'
import { helmFunctions } from '../../../src/lib/chart/functions.ts'
import { builtins } from '../../../src/lib/gotemplate/builtin.ts'
import { Budget } from '../../../src/lib/gotemplate/environment.ts'
import { formatFunctions } from '../../../src/lib/gotemplate/format-functions.ts'
import { sprigFunctions } from '../../../src/lib/gotemplate/sprig/index.ts'
import { type Answer, answer, type Request } from '../../conformance/helm-answer.ts'
import { type HelmAnswer, templateRequest } from '../../conformance/helm-cases/request.ts'
import { readChartFixtures, readFunctionFixtures } from './fixtures.ts'

function ours(request: Request): Answer {
  const readPackage = (path: string): never => {
    throw new Error(`no package ${path}`)
  }
  return answer(request, { readPackage })
}

/** As it comes out of a pipe: bytes that are no UTF-8 are replaced. */
function printed({ ok, ...fields }: HelmAnswer): unknown {
  return JSON.parse(JSON.stringify({ ok, ...fields }), (_, value) => (typeof value === 'string' ? value.toWellFormed() : value))
}

const fixtures = readFunctionFixtures()

describe.each(fixtures.map((fixture) => [basename(fixture.path, '.json'), fixture] as const))(
  'templates: %s',
  (_name, { path: _, cases, ...shared }) => {
    const table = Object.entries(cases).flatMap(([subject, each]) => each.map((one) => [subject, one.template, one] as const))
    it.each(table)('%s: %s', (_subject, template, expected) => {
      const { ok: _ok, ...outcome } = ours({ ...templateRequest(template), ...shared })
      expect(printed({ ok: true, ...outcome })).toEqual({ ok: true, ...withoutTemplate(expected) })
    })
  },
)

function withoutTemplate({ template: _, ...expected }: { readonly template: string }): object {
  return expected
}

it('has a case for every function', () => {
  const environment = { now: () => 0, random: (length: number) => new Uint8Array(length), zone: 'UTC', budget: new Budget() }
  const registries = [builtins, formatFunctions(environment), sprigFunctions(environment), helmFunctions(environment)]
  const names = new Set([...registries.flatMap((registry): string[] => [...registry.keys()]), 'include', 'tpl'])
  expect([...names.difference(new Set(fixtures.flatMap(({ cases }) => Object.keys(cases))))]).toEqual([])
})

describe.each(['helm-charts', 'helm-fuzz'] as const)('charts: %s', (folder) => {
  it.each(readChartFixtures(folder).map((fixture) => [fixture.title ?? basename(fixture.path), fixture] as const))(
    '%s',
    (_, { request, answer: expected }) => {
      expect(printed(ours(request))).toEqual(printed(expected))
    },
  )
})
