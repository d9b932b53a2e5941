/** One folder with a kustomization file: its resources, generators, components and transformers in kustomize's order. */

import { isDeepStrictEqual } from 'node:util'
import { BuildError } from '../errors.ts'
import type { Node, YamlLimits } from '../yaml/index.ts'
import { emptyConfig, loadConfig, loadCrdConfig, mergeConfigs, type TransformerConfig } from './config.ts'
import { withPrefix, wrapError } from './fields.ts'
import { type FieldSpec, mergeFieldSpecs } from './fieldspec.ts'
import { type ChartOptions, inflateChart } from './generators/charts.ts'
import { type DataKind, generateData, withGlobalOptions } from './generators/data.ts'
import { addHashes } from './hash.ts'
import { type DataGenerator, type Kustomization, type Label, parseKustomization, typeErrors } from './kustomization.ts'
import { HttpError, type Loader } from './loader.ts'
import { fixReferences } from './names.ts'
import {
  addTransformation,
  appendOrigin,
  builtinOrigin,
  type Origin,
  originOf,
  originText,
  pluginOrigin,
  setOrigin,
} from './origin.ts'
import type { ParseCache } from './parse-cache.ts'
import { type Generator, generatorFrom, HELM_REFUSED, transformerFrom } from './plugins.ts'
import { readResources, requireIdentity } from './read.ts'
import { ResMap } from './resmap.ts'
import type { Resource } from './resource.ts'
import type { SchemaSet } from './schema.ts'
import { addAffix } from './transformers/affix.ts'
import { setImages } from './transformers/images.ts'
import { addEntries } from './transformers/metadata.ts'
import { setNamespaces } from './transformers/namespace.ts'
import {
  jsonPatchTransformer,
  type PatchContext,
  patchTransformer,
  strategicMergeTransformer,
  type Transformer,
} from './transformers/patches.ts'
import { applyReplacements, loadReplacements } from './transformers/replacements.ts'
import { setReplicas } from './transformers/replicas.ts'
import { VarSet } from './vars.ts'

export const KUSTOMIZATION_FILES = ['kustomization.yaml', 'kustomization.yml', 'Kustomization'] as const
/** The labels of any object, made if there are none. */
export const LABELS: FieldSpec = { group: '', version: '', kind: '', path: 'metadata/labels', create: true }
const LOCAL_CONFIG = 'config.kubernetes.io/local-config'

/** What all targets of one build share. */
export interface Build {
  readonly schemas: SchemaSet
  readonly limits: YamlLimits
  readonly cache: ParseCache | undefined
  readonly charts: ChartOptions | undefined
  readonly warnings: string[]
}

/** Objects on their way up, with the rules and vars that came with them. */
interface Accumulator {
  resources: ResMap
  config: TransformerConfig
  vars: VarSet
}

function newAccumulator(): Accumulator {
  return { resources: new ResMap(), config: emptyConfig, vars: new VarSet() }
}

/** A transformer and what its origin annotation says. */
interface Step {
  readonly run: Transformer
  readonly origin: Origin | undefined
}

/** A folder with a kustomization file. */
export class Target {
  readonly kustomization: Kustomization
  readonly #file: string
  readonly #loader: Loader
  readonly #build: Build
  #origin: Origin | undefined
  #buildMetadata: readonly string[]
  /** The namespace of the nearest folder above that sets one: charts without a namespace get it. */
  #outerNamespace = ''

  private constructor(kustomization: Kustomization, file: string, loader: Loader, build: Build) {
    this.kustomization = kustomization
    this.#file = file
    this.#loader = loader
    this.#build = build
    this.#buildMetadata = kustomization.buildMetadata
  }

  static load(loader: Loader, build: Build, { lenient } = { lenient: false }): Target {
    const { file, source } = findFile(loader)
    const path = loader.fileName(file)
    const { kustomization, warnings } = parseKustomization(source, path, { ...build.limits, lenient })
    build.warnings.push(...warnings.map((warning) => `${warning} (${path})`))
    const errors = typeErrors(kustomization)
    if (errors.length > 0)
      throw new BuildError(`Failed to read kustomization file under ${loader.place}:\n${errors.join('\n')}`, { file: path })
    return new Target(kustomization, file, loader, build)
  }

  get #context(): PatchContext {
    const { schemas, limits, cache, charts } = this.#build
    return { loader: this.#loader, read: { schemas, limits, cache }, charts }
  }

  stateSchema(): void {
    this.#build.schemas.state(this.kustomization.openapi ?? new Map(), (path) => this.#loader.text(path))
  }

  /** The whole build of the outermost target. */
  finish(): ResMap {
    if (this.#buildMetadata.length > 0) this.#origin = {}
    const accumulator = this.#accumulate(newAccumulator())
    const { resources, config, vars } = accumulator
    addHashes(resources)
    fixReferences(resources, config.nameReference)
    const unused = vars.resolve(resources, config.varReference)
    if (unused.length > 0) this.#build.warnings.push(`well-defined vars that were never replaced: ${unused.join(',')}`)
    resources.retain(isOutput)
    return resources
  }

  #accumulate(accumulator: Accumulator): Accumulator {
    const { kustomization } = this
    let result = withPrefix(
      () => 'accumulating resources',
      () => this.#addResources(accumulator, kustomization.resources),
    )
    result.config = mergeConfigs(result.config, loadConfig(this.#loader, kustomization.configurations))
    if (kustomization.crds.length > 0) {
      const crds = withPrefix(
        () => `loading CRDs [${kustomization.crds.join(' ')}]`,
        () => loadCrdConfig(this.#loader, kustomization.crds),
      )
      result.config = mergeConfigs(result.config, crds)
    }
    this.#generate(result.resources)
    result = withPrefix(
      () => 'accumulating components',
      () => this.#addComponents(result),
    )
    for (const { run, origin } of this.#transformers(result.config)) {
      run(result.resources)
      if (origin) result.resources.addTransformations(origin, addTransformation)
      result.resources.dropEmpties()
    }
    this.#validate(result.resources)
    withPrefix(
      () => 'merging vars',
      () => result.vars.declare(kustomization.vars, result.resources, this.#build.schemas),
    )
    return result
  }

  #addResources(accumulator: Accumulator, paths: readonly string[]): Accumulator {
    let result = accumulator
    for (const path of paths) {
      const fileError = this.#tryFile(result.resources, path)
      if (fileError) result = this.#addBase(result, path, fileError)
    }
    return result
  }

  /** Adds the objects of a file; the error when it is none. */
  #tryFile(resources: ResMap, path: string): Error | undefined {
    try {
      const found = withPrefix(
        () => `accumulating resources from '${path}'`,
        () => this.#readFile(path),
      )
      withPrefix(
        () => `merging resources from '${path}'`,
        () => resources.appendAll(found.resources()),
      )
      return undefined
    } catch (error) {
      if (error instanceof Error && 'place' in error && !hasCause(error, HttpError)) return error
      throw error
    }
  }

  #readFile(path: string): ResMap {
    const text = this.#loader.text(path)
    const found = new ResMap(readResources(text, { ...this.#context.read, file: this.#loader.fileName(path) }))
    if (this.#origin) {
      const annotation = new Map([['config.kubernetes.io/origin', originText(appendOrigin(this.#origin, path))]])
      addEntries(found, annotation, [{ ...LABELS, path: 'metadata/annotations' }])
    }
    return found
  }

  #addBase(accumulator: Accumulator, path: string, fileError: Error): Accumulator {
    let loader: Loader
    try {
      loader = this.#loader.enter(path)
    } catch (error) {
      // A file that is there but broken: that it is no folder either would only confuse.
      if (fileError.message.includes('MalformedYAMLError')) throw fileError
      throw combined(error, fileError)
    }
    try {
      return this.#addFolder(accumulator, loader, path, { asComponent: false })
    } catch (error) {
      throw combined(error, fileError)
    }
  }

  #addComponents(accumulator: Accumulator): Accumulator {
    let result = accumulator
    for (const path of this.kustomization.components) {
      const loader = withPrefix(
        () => 'loader.New',
        () => this.#loader.enter(path),
      )
      result = withPrefix(
        () => 'accumulateDirectory',
        () => this.#addFolder(result, loader, path, { asComponent: true }),
      )
    }
    return result
  }

  #addFolder(accumulator: Accumulator, loader: Loader, path: string, { asComponent }: { asComponent: boolean }): Accumulator {
    const child = withPrefix(
      () => `couldn't make target for path '${loader.place}'`,
      () => Target.load(loader, this.#build),
    )
    child.#buildMetadata = this.#buildMetadata
    child.#outerNamespace = this.kustomization.namespace || this.#outerNamespace
    child.#origin = this.#origin && appendOrigin(this.#origin, path)
    child.stateSchema()
    const { kind } = child.kustomization
    if (asComponent && kind !== 'Component') {
      throw new BuildError(`expected kind 'Component' for path '${loader.place}' but got '${kind}'`)
    }
    if (!asComponent && kind === 'Component') throw new BuildError(`expected kind != 'Component' for path '${loader.place}'`)
    const added = withPrefix(
      () => `recursed accumulation of path '${loader.place}'`,
      () => child.#accumulate(asComponent ? accumulator : newAccumulator()),
    )
    // A component works on what its parent has so far: nothing is left to merge into.
    const into = asComponent ? newAccumulator() : accumulator
    return withPrefix(
      () => `recursed merging from path '${loader.place}'`,
      () => merge(into, added),
    )
  }

  #generate(resources: ResMap): void {
    const { generatorOptions, configMapGenerator, secretGenerator } = this.kustomization
    const data = (kind: DataKind, all: readonly DataGenerator[]): [Generator, Origin | undefined][] =>
      all.map((args) => [
        () => new ResMap([generateData(kind, withGlobalOptions(args, generatorOptions), this.#loader, this.#build.schemas)]),
        this.#builtinOrigin(`${kind}Generator`),
      ])
    const generators = [
      ...data('ConfigMap', configMapGenerator),
      ...data('Secret', secretGenerator),
      ...this.#chartGenerators(),
      ...this.#pluginGenerators(),
    ]
    for (const [generate, origin] of generators) {
      const generated = generate()
      if (origin) for (const resource of generated.resources()) if (!originOf(resource)) setOrigin(resource, origin)
      withPrefix(
        () => 'merging from generator',
        () => resources.absorbAll(generated),
      )
    }
  }

  #chartGenerators(): [Generator, Origin | undefined][] {
    const { helmCharts, helmGlobals, namespace } = this.kustomization
    if (helmCharts.length > 0 && !this.#context.charts) throw new BuildError(HELM_REFUSED)
    return helmCharts.map((chart) => [
      () => {
        const named = { ...chart, namespace: chart.namespace || namespace || this.#outerNamespace }
        return new ResMap(inflateChart(named, helmGlobals?.chartHome ?? '', this.#context))
      },
      this.#builtinOrigin('HelmChartInflationGenerator'),
    ])
  }

  #builtinOrigin(kind: string): Origin | undefined {
    return this.#origin && builtinOrigin(this.#origin, this.#file, kind)
  }

  #pluginGenerators(): [Generator, Origin | undefined][] {
    const configs = withPrefix(
      () => 'loading generator plugins',
      () => this.#pluginConfigs(this.kustomization.generators),
    )
    return withPrefix(
      () => 'loading generator plugins',
      () => configs.map((config) => [generatorFrom(config, this.#context), pluginOrigin(config)]),
    )
  }

  /** Configurations of plugins: written inline, or in files and folders. */
  #pluginConfigs(entries: readonly string[]): readonly Resource[] {
    const accumulator = newAccumulator()
    const paths: string[] = []
    for (const entry of entries) {
      const inline = this.#tryInline(entry)
      if (inline) accumulator.resources.appendAll(inline)
      else paths.push(entry)
    }
    return this.#addResources(accumulator, paths).resources.resources()
  }

  #tryInline(entry: string): Resource[] | undefined {
    try {
      const found = readResources(entry, this.#context.read)
      if (this.#origin) for (const resource of found) setOrigin(resource, appendOrigin(this.#origin, this.#file))
      return found
    } catch (error) {
      if (error instanceof Error && 'place' in error) return undefined
      throw error
    }
  }

  #pluginTransformers(entries: readonly string[]): Step[] {
    return this.#pluginConfigs(entries).map((config) => ({
      run: transformerFrom(config, this.#context),
      origin: pluginOrigin(config),
    }))
  }

  #transformers(config: TransformerConfig): Step[] {
    const { kustomization } = this
    const builtin = (kind: string, all: readonly Transformer[]): Step[] =>
      all.map((run) => ({ run, origin: this.#builtinOrigin(kind) }))
    const make = <T>(kind: string, items: readonly T[], setup: (item: T) => Transformer): Step[] =>
      builtin(
        kind,
        items.map((item) =>
          withPrefix(
            () => `trouble configuring builtin ${kind} with config: \`\n${configText(item)}\``,
            () => setup(item),
          ),
        ),
      )
    const given = (value: string): string[] => (value === '' ? [] : [value])
    const merges = kustomization.patchesStrategicMerge
    return [
      ...make('PatchStrategicMergeTransformer', merges.length === 0 ? [] : [{ paths: merges }], ({ paths }) =>
        strategicMergeTransformer(paths, '', this.#context),
      ),
      ...make('PatchTransformer', kustomization.patches, (patch) => patchTransformer(patch, this.#context)),
      ...make(
        'NamespaceTransformer',
        given(kustomization.namespace),
        (namespace) => (resources) =>
          setNamespaces(resources, { namespace, specs: config.namespace, unsetOnly: false, subjects: 'defaultOnly' }),
      ),
      ...make(
        'PrefixTransformer',
        given(kustomization.namePrefix),
        (prefix) => (resources) => addAffix(resources, { prefix }, config.namePrefix),
      ),
      ...make(
        'SuffixTransformer',
        given(kustomization.nameSuffix),
        (suffix) => (resources) => addAffix(resources, { suffix }, config.nameSuffix),
      ),
      ...builtin('LabelTransformer', this.#labelTransformers(config)),
      ...make(
        'AnnotationsTransformer',
        kustomization.commonAnnotations.size === 0 ? [] : [kustomization.commonAnnotations],
        (annotations) => {
          return (resources) => addEntries(resources, annotations, config.commonAnnotations)
        },
      ),
      ...make('PatchJson6902Transformer', kustomization.patchesJson6902, (patch) => jsonPatchTransformer(patch, this.#context)),
      ...make(
        'ReplicaCountTransformer',
        kustomization.replicas,
        (replica) => (resources) => setReplicas(resources, replica, config.replicas),
      ),
      ...make('ImageTagTransformer', kustomization.images, (image) => (resources) => setImages(resources, image, config.images)),
      ...make('ReplacementTransformer', kustomization.replacements.length === 0 ? [] : [kustomization.replacements], (fields) => {
        // An empty list of targets is lost on the way, and missed then.
        const given = fields.map((field) => ({ ...field, targets: field.targets?.length === 0 ? undefined : field.targets }))
        const replacements = loadReplacements(given, this.#loader)
        return (resources) => applyReplacements(resources, replacements)
      }),
      ...this.#pluginTransformers(kustomization.transformers),
    ]
  }

  /** One for each entry of `labels`, and one for `commonLabels` when either field is used. */
  #labelTransformers(config: TransformerConfig): Transformer[] {
    const { labels, commonLabels } = this.kustomization
    if (labels.length === 0 && commonLabels.size === 0) return []
    return [
      ...labels.map((label): Transformer => {
        const specs = withPrefix(
          () => 'failed to merge labels',
          () => labelSpecs(label, config),
        )
        return (resources) => addEntries(resources, label.pairs, specs)
      }),
      (resources) => addEntries(resources, commonLabels, config.commonLabels),
    ]
  }

  /** Validators are transformers that must leave everything as it is, but for a label that says who validated. */
  #validate(resources: ResMap): void {
    for (const { run } of this.#pluginTransformers(this.kustomization.validators)) {
      const before = resources.copy()
      run(resources)
      const [old = [], now = []] = [before, resources.copy()].map((map) => map.resources().map(withoutValidatedBy))
      const isSame = old.length === now.length && old.every((node, i) => isDeepStrictEqual(node, now[i]))
      if (!isSame) throw new BuildError("validator shouldn't modify the resource map")
    }
  }
}

/** A value that was written anew counts as modified, even when it is the same: kustomize compares nodes with their lines. */
function withoutValidatedBy(resource: Resource): Node | undefined {
  const labels = resource.labels()
  if (labels.delete('validated-by')) resource.setLabels(labels)
  return resource.node
}

function labelSpecs(label: Label, config: TransformerConfig): readonly FieldSpec[] {
  const own = mergeFieldSpecs(label.fields, config.labels)
  if (label.includeSelectors) return mergeFieldSpecs(own, config.commonLabels)
  return mergeFieldSpecs(label.includeTemplates ? mergeFieldSpecs(own, config.templateLabels) : own, [LABELS])
}

function findFile(loader: Loader): { file: string; source: string } {
  const found = KUSTOMIZATION_FILES.map((file) => ({ file, source: loader.tryText(file) })).filter(
    ({ source }) => source !== undefined,
  )
  const [first] = found
  if (found.length > 1) throw new BuildError(`Found multiple kustomization files under: ${loader.place}\n`)
  if (first?.source !== undefined) return { file: first.file, source: first.source }
  throw new BuildError(
    `unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' in directory '${loader.place}'`,
  )
}

function merge(into: Accumulator, added: Accumulator): Accumulator {
  into.resources.appendAll(added.resources.resources())
  into.config = mergeConfigs(into.config, added.config)
  into.vars.merge(added.vars)
  return into
}

function combined(error: unknown, fileError: Error): unknown {
  return error instanceof Error && 'place' in error ? wrapError(error, `accumulation err='${fileError.message}'`) : error
}

function hasCause(error: Error, type: typeof HttpError): boolean {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) if (cause instanceof type) return true
  return false
}

/** Local configuration stays out of the output. @throws BuildError for what has no kind or no name. */
function isOutput(resource: Resource): boolean {
  if (!resource.node || resource.isEmpty) return false
  requireIdentity(resource.node, { file: resource.file })
  const local = resource.annotations().get(LOCAL_CONFIG)
  return local === undefined || local === 'false'
}

/** The part of a configuration that helps to find it in the kustomization file. */
function configText(item: unknown): string {
  if (typeof item !== 'object' || item === null) return `${String(item)}\n`
  if ('paths' in item && Array.isArray(item.paths)) return `paths:\n${item.paths.map((path) => `- ${path}\n`).join('')}`
  if ('path' in item && typeof item.path === 'string' && item.path !== '') return `path: ${item.path}\n`
  if ('name' in item && typeof item.name === 'string') return `name: ${item.name}\n`
  return ''
}
