/**
 * Makes the expectations of test/fixtures/helm, helm-charts and helm-fuzz anew with the real Helm. Run: npx node test/tools/helm/goldens.ts
 * A new case is written by hand without its expectation.
 */

import { writeFileSync } from 'node:fs'
import { type HelmAnswer, templateRequest } from '../../conformance/helm-cases/request.ts'
import { HelmOracle } from '../../conformance/helm-oracle.ts'
import {
  type ChartFixture,
  type FunctionCase,
  type FunctionFixture,
  readChartFixtures,
  readFunctionFixtures,
} from '../../lib/chart/fixtures.ts'

const oracle = await HelmOracle.start()
for (const fixture of readFunctionFixtures()) write(fixture.path, await remadeFunctions(fixture))
for (const folder of ['helm-charts', 'helm-fuzz'] as const) {
  for (const fixture of readChartFixtures(folder)) write(fixture.path, await remadeChart(fixture))
}
oracle.close()

async function remadeFunctions({ path: _, cases, ...shared }: FunctionFixture): Promise<object> {
  const remade: Record<string, readonly FunctionCase[]> = {}
  for (const [subject, each] of Object.entries(cases)) {
    remade[subject] = await Promise.all(
      each.map(async ({ template }) => {
        const { output, error } = await answered({ ...templateRequest(template), ...shared })
        return error === undefined ? { template, output: String(output) } : { template, error }
      }),
    )
  }
  return { ...shared, cases: remade }
}

async function remadeChart({ path: _, ...fixture }: ChartFixture): Promise<object> {
  return { ...fixture, answer: await answered(fixture.request) }
}

async function answered(request: ChartFixture['request']): Promise<HelmAnswer> {
  const answer = await oracle.ask(request)
  if (!answer) throw new Error(`no answer to ${JSON.stringify(request)}`)
  return answer
}

function write(path: string, content: object): void {
  writeFileSync(path, `${JSON.stringify(content, null, 1)}\n`)
}
