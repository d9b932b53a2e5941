/** Charts and renders for tests. */
import {
  Budget,
  type Chart,
  defaultCapabilities,
  loadChart,
  type Rendered,
  type RenderOptions,
  render,
} from '../../../src/lib/chart/index.ts'
import type { Limits } from '../../../src/lib/gotemplate/environment.ts'
import type { Dict } from '../../../src/lib/gotemplate/value.ts'
import { memoryTree } from '../../../src/lib/tree.ts'

export const release = { name: 'rel', namespace: 'ns', revision: 1, isUpgrade: false }

/** A chart called `app` with these files. */
export function chartOf(files: Readonly<Record<string, string>>): Chart {
  return loadChart(memoryTree(Object.entries({ 'Chart.yaml': 'apiVersion: v2\nname: app\nversion: 1.2.3\n', ...files })))
}

/** A clock that stands still, and zeros for chance. */
export function environment(limits: Limits = {}): RenderOptions['environment'] {
  return { now: () => 1_700_000_000_000, random: (length) => new Uint8Array(length), zone: 'UTC', budget: new Budget(limits) }
}

export function rendered(chart: Chart, options: Partial<RenderOptions> & { readonly values?: Dict } = {}): Rendered {
  const { values = new Map(), ...rest } = options
  return render(chart, values, release, defaultCapabilities, { environment: environment(), ...rest })
}

/** What a single template prints. */
export function printed(
  template: string,
  files: Readonly<Record<string, string>> = {},
  options: Partial<RenderOptions> = {},
): string {
  return rendered(chartOf({ ...files, 'templates/NOTES.txt': template }), options).notes
}
