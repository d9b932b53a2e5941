/** What `helm template` prints, and what a release keeps as its manifest. Source: helm pkg/cmd/template.go, pkg/action/action.go. */

import type { Hook, Rendered } from './chart.ts'
import { trimSpace } from './space.ts'

export interface PrintOptions {
  readonly includeCrds?: boolean
  readonly noHooks?: boolean
  readonly skipTests?: boolean
}

/** The manifest of a release: documents in install order, each after its source. Hooks are no part of it. */
export function manifestOf({ manifests, crds }: Rendered, { includeCrds = false }: PrintOptions = {}): string {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  const definitions = includeCrds ? crds.map(({ path, data }) => documentOf(path, decoder.decode(data))) : []
  return [...definitions, ...manifests.map(({ path, content }) => documentOf(path, content))].join('')
}

/** The standard output of `helm template`. */
export function printRendered(rendered: Rendered, options: PrintOptions = {}): string {
  const hooks = options.noHooks ? [] : rendered.hooks.filter((hook) => !(options.skipTests && isTest(hook)))
  const manifest = trimSpace(manifestOf(rendered, options))
  return `${manifest}\n${hooks.map(({ path, manifest }) => documentOf(path, manifest)).join('')}`
}

function isTest({ events }: Hook): boolean {
  return events.includes('test')
}

function documentOf(path: string, content: string): string {
  return `---\n# Source: ${path}\n${content}\n`
}
