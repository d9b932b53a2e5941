/** What `helm template` prints, and what a release keeps as its manifest. Source: helm pkg/cmd/template.go, pkg/action/action.go. */

import { BuildError } from '../errors.ts'
import type { Hook, Rendered } from './chart.ts'
import { matchPath } from './ignore.ts'
import { splitManifests } from './manifests.ts'
import { trimSpace } from './space.ts'

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

export interface PrintOptions {
  readonly includeCrds?: boolean
  readonly noHooks?: boolean
  readonly skipTests?: boolean
}

/** The manifest of a release: documents in install order, each after its source. Hooks are no part of it. */
export function manifestOf({ manifests, crds }: Rendered, { includeCrds = false }: PrintOptions = {}): string {
  const definitions = includeCrds ? crds.map(({ path, data }) => documentOf(path, decoder.decode(data))) : []
  return [...definitions, ...manifests.map(({ path, content }) => documentOf(path, content))].join('')
}

/** The standard output of `helm template`. */
export function printRendered(rendered: Rendered, options: PrintOptions = {}): string {
  const hooks = shownHooks(rendered, options)
  const manifest = trimSpace(manifestOf(rendered, options))
  return `${manifest}\n${hooks.map(({ path, manifest }) => documentOf(path, manifest)).join('')}`
}

/** A file as `helm template --output-dir` writes it: several documents of one path follow each other. */
export interface WrittenFile {
  readonly path: string
  readonly content: string
  /** No document of this path came before. */
  readonly isFirst: boolean
  readonly isCrd: boolean
}

/** What `helm template --output-dir` writes, in its order. */
export function writtenFiles(rendered: Rendered, options: PrintOptions = {}): WrittenFile[] {
  const seen = new Set<string>()
  const written = (path: string, text: string, isCrd = false): WrittenFile => {
    const isFirst = !seen.has(path)
    seen.add(path)
    return { path, content: documentOf(path, text), isFirst, isCrd }
  }
  const crds = options.includeCrds ? rendered.crds : []
  return [
    ...crds.map(({ path, data }) => written(path, decoder.decode(data), true)),
    ...rendered.manifests.map(({ path, content }) => written(path, content)),
    ...shownHooks(rendered, options).map(({ path, manifest }) => written(path, manifest)),
  ]
}

/**
 * The documents of some templates, as `--show-only` picks them from the output: by their path inside the chart, which may be a pattern.
 * @throws BuildError for a template that gave nothing.
 */
export function selectManifests(output: string, templates: readonly string[]): string {
  const documents = splitManifests(output).map((text) => ({ text, path: /# Source: [^/\n]+\/(.+)/.exec(text)?.[1] }))
  const chosen = templates.flatMap((template) => {
    const found = documents.filter(({ path }) => path !== undefined && matchPath(template, path))
    if (found.length === 0) throw new BuildError(`could not find template ${template} in chart`)
    return found
  })
  return chosen.map(({ text }) => `---\n${text}\n`).join('')
}

function shownHooks({ hooks }: Rendered, { noHooks, skipTests }: PrintOptions): readonly Hook[] {
  return noHooks ? [] : hooks.filter((hook) => !(skipTests && isTest(hook)))
}

function isTest({ events }: Hook): boolean {
  return events.includes('test')
}

function documentOf(path: string, content: string): string {
  return `---\n# Source: ${path}\n${content}\n`
}
