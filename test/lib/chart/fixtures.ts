/** Cases with what the real Helm answers: test/fixtures/helm. Made anew by test/tools/helm/goldens.ts. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { HelmAnswer, HelmRequest } from '../../conformance/helm-cases/request.ts'

/** A template and its output or error. */
export interface FunctionCase {
  readonly template: string
  readonly output?: string
  readonly error?: string
}

/** Cases by function, action or object of the template language, all with the same values and files. */
export interface FunctionFixture {
  readonly path: string
  readonly values: string
  readonly files: Readonly<Record<string, string>>
  readonly templates: Readonly<Record<string, string>>
  readonly cases: Readonly<Record<string, readonly FunctionCase[]>>
}

/** A small chart, or what the fuzzer found. */
export interface ChartFixture {
  readonly path: string
  /** What it shows, as a sentence. */
  readonly title?: string
  readonly request: HelmRequest
  readonly answer: HelmAnswer
}

const FIXTURES = join(import.meta.dirname, '../../fixtures')

export function readFunctionFixtures(): FunctionFixture[] {
  return read<FunctionFixture>('helm')
}

export function readChartFixtures(folder: 'helm-charts' | 'helm-fuzz'): ChartFixture[] {
  return read<ChartFixture>(folder)
}

function read<Fixture extends { readonly path: string }>(folder: string): Fixture[] {
  const names = readdirSync(join(FIXTURES, folder)).filter((name) => name.endsWith('.json'))
  return names.sort().map((name) => {
    const path = join(FIXTURES, folder, name)
    return { ...JSON.parse(readFileSync(path, 'utf8')), path }
  })
}
