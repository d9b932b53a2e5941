/** The kustomization file: its fields, and what kustomize mends and refuses in it. */

import { BuildError } from '../errors.ts'
import type { Json } from '../json.ts'
import { loadFirst, type YamlLimits } from '../yaml/index.ts'
import { bool, type Decoder, integer, list, optional, struct, text, textMap } from './decode.ts'
import { wrapError } from './fields.ts'
import type { FieldSpec } from './fieldspec.ts'
import type { Selector } from './selector.ts'

export const fieldSpec: Decoder<FieldSpec> = struct('FieldSpec', {
  group: text,
  version: text,
  kind: text,
  path: text,
  create: bool,
})

export const selector: Decoder<Selector> = struct('Selector', {
  group: text,
  version: text,
  kind: text,
  name: text,
  namespace: text,
  labelSelector: text,
  annotationSelector: text,
})

export interface Label {
  readonly pairs: ReadonlyMap<string, string>
  readonly includeSelectors: boolean
  readonly includeTemplates: boolean
  readonly fields: readonly FieldSpec[]
}

const label: Decoder<Label> = struct('Label', {
  pairs: textMap,
  includeSelectors: bool,
  includeTemplates: bool,
  fields: list(fieldSpec, 'types.FieldSpec'),
})

export interface Patch {
  readonly path: string
  readonly patch: string
  readonly target: Selector | undefined
  readonly options: { readonly allowNameChange: boolean; readonly allowKindChange: boolean } | undefined
}

const patch: Decoder<Patch> = struct('Patch', {
  path: text,
  patch: text,
  target: optional(selector),
  options: optional(struct('PatchArgs', { allowNameChange: bool, allowKindChange: bool })),
})

export interface Image {
  readonly name: string
  readonly newName: string
  readonly tagSuffix: string
  readonly newTag: string
  readonly digest: string
}

export const image: Decoder<Image> = struct('Image', { name: text, newName: text, tagSuffix: text, newTag: text, digest: text })

export interface FieldOptions {
  readonly delimiter: string
  readonly index: number
  readonly encoding: string
  readonly create: boolean
}

const fieldOptions: Decoder<FieldOptions> = struct('FieldOptions', {
  delimiter: text,
  index: integer,
  encoding: text,
  create: bool,
})

export interface ReplacementSource {
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly name: string
  readonly namespace: string
  readonly fieldPath: string
  readonly options: FieldOptions | undefined
}

export interface ReplacementTarget {
  readonly select: Selector | undefined
  readonly reject: readonly Selector[]
  readonly fieldPaths: readonly string[]
  readonly options: FieldOptions | undefined
}

export interface Replacement {
  readonly source: ReplacementSource | undefined
  readonly sourceValue: string | undefined
  readonly targets: readonly ReplacementTarget[] | undefined
}

export interface ReplacementField extends Replacement {
  readonly path: string
}

const replacementFields = {
  source: optional(
    struct<ReplacementSource>('SourceSelector', {
      group: text,
      version: text,
      kind: text,
      name: text,
      namespace: text,
      fieldPath: text,
      options: optional(fieldOptions),
    }),
  ),
  sourceValue: optional(text),
  targets: optional(
    list(
      struct<ReplacementTarget>('TargetSelector', {
        select: optional(selector),
        reject: list(selector, '*types.Selector'),
        fieldPaths: list(text),
        options: optional(fieldOptions),
      }),
      '*types.TargetSelector',
    ),
  ),
}

export const replacement: Decoder<Replacement> = struct('Replacement', replacementFields)
export const replacementField: Decoder<ReplacementField> = struct('ReplacementField', { ...replacementFields, path: text })

export interface Replica {
  readonly name: string
  readonly count: number
}

export const replica: Decoder<Replica> = struct('Replica', { name: text, count: integer })

export interface Var {
  readonly name: string
  readonly objref: {
    readonly apiVersion: string
    readonly group: string
    readonly version: string
    readonly kind: string
    readonly name: string
    readonly namespace: string
  }
  readonly fieldref: { readonly fieldPath: string }
}

const variable: Decoder<Var> = struct('Var', {
  name: text,
  objref: struct('Target', { apiVersion: text, group: text, version: text, kind: text, name: text, namespace: text }),
  fieldref: struct('FieldSelector', { fieldPath: text }),
})

export interface GeneratorOptions {
  readonly labels: ReadonlyMap<string, string>
  readonly annotations: ReadonlyMap<string, string>
  readonly disableNameSuffixHash: boolean
  readonly immutable: boolean
}

const generatorOptions: Decoder<GeneratorOptions> = struct('GeneratorOptions', {
  labels: textMap,
  annotations: textMap,
  disableNameSuffixHash: bool,
  immutable: bool,
})

export interface DataGenerator {
  readonly name: string
  readonly namespace: string
  readonly behavior: string
  readonly literals: readonly string[]
  readonly files: readonly string[]
  readonly envs: readonly string[]
  readonly env: string
  readonly options: GeneratorOptions | undefined
  /** Secrets only. */
  readonly type: string
}

const generatorFields = {
  name: text,
  namespace: text,
  behavior: text,
  literals: list(text),
  files: list(text),
  envs: list(text),
  env: text,
  options: optional(generatorOptions),
}

const noText: Decoder<string> = () => ''

const configMapArgs: Decoder<Omit<DataGenerator, 'type'>> = struct('ConfigMapArgs', generatorFields)
export const secretArgs: Decoder<DataGenerator> = struct('SecretArgs', { ...generatorFields, type: text })
export const configMapGenerator: Decoder<DataGenerator> = (value, context) => ({
  ...configMapArgs(value, context),
  type: noText(value, context),
})

export interface SortOptions {
  readonly order: string
  readonly legacySortOptions: { readonly orderFirst: readonly string[]; readonly orderLast: readonly string[] } | undefined
}

const sortOptions: Decoder<SortOptions> = struct('SortOptions', {
  order: text,
  legacySortOptions: optional(struct('LegacySortOptions', { orderFirst: list(text), orderLast: list(text) })),
})

export interface ObjectMeta {
  readonly name: string
  readonly namespace: string
}

export const objectMeta = struct('ObjectMeta', { name: text, namespace: text, labels: textMap, annotations: textMap })

const anything: Decoder<Json> = (value) => value ?? null

const globals = { chartHome: text, configHome: text }

const chartFields = {
  name: text,
  version: text,
  repo: text,
  releaseName: text,
  namespace: text,
  additionalValuesFiles: list(text),
  valuesFile: text,
  valuesInline: anything,
  valuesMerge: text,
  includeCRDs: bool,
  skipHooks: bool,
  apiVersions: list(text),
  kubeVersion: text,
  nameTemplate: text,
  skipTests: bool,
  debug: bool,
  devel: bool,
}

const helmGlobals = struct('HelmGlobals', globals)
const helmChart = struct('HelmChart', chartFields)
export type HelmGlobals = ReturnType<typeof helmGlobals>
export type HelmChart = ReturnType<typeof helmChart>

/** The configuration of a HelmChartInflationGenerator in a file: a chart with the globals. */
export const helmChartGenerator = struct('HelmChartInflationGenerator', { ...globals, ...chartFields })

/** The field helmChartInflationGenerator that helmCharts took the place of. */
const oldHelmChart = struct('HelmChartArgs', {
  chartName: text,
  chartVersion: text,
  chartRepoUrl: text,
  chartHome: text,
  chartRepoName: text,
  helmBin: text,
  helmHome: text,
  values: text,
  valuesLocal: anything,
  valuesMerge: text,
  releaseName: text,
  releaseNamespace: text,
  extraArgs: list(text),
})

/** Source: types.SplitHelmParameters. */
function withoutOldNames(old: ReturnType<typeof oldHelmChart>): HelmChart {
  return {
    ...helmChart(null, { strict: false, coerce: false, path: '' }),
    name: old.chartName,
    version: old.chartVersion,
    repo: old.chartRepoUrl,
    valuesFile: old.values,
    valuesInline: old.valuesLocal,
    valuesMerge: old.valuesMerge,
    releaseName: old.releaseName,
  }
}

const kustomizationFields = {
  apiVersion: text,
  kind: text,
  metadata: optional(objectMeta),
  openapi: optional(textMap),
  namePrefix: text,
  nameSuffix: text,
  namespace: text,
  commonLabels: optional(textMap),
  labels: list(label, 'types.Label'),
  commonAnnotations: textMap,
  patchesStrategicMerge: optional(list(text, 'types.PatchStrategicMerge')),
  patchesJson6902: optional(list(patch, 'types.Patch')),
  patches: list(patch, 'types.Patch'),
  images: list(image, 'types.Image'),
  imageTags: optional(list(image, 'types.Image')),
  replacements: list(replacementField, 'types.ReplacementField'),
  replicas: list(replica, 'types.Replica'),
  vars: optional(list(variable, 'types.Var')),
  sortOptions: optional(sortOptions),
  resources: list(text),
  components: list(text),
  crds: list(text),
  bases: optional(list(text)),
  configMapGenerator: list(configMapGenerator, 'types.ConfigMapArgs'),
  secretGenerator: list(secretArgs, 'types.SecretArgs'),
  helmGlobals: optional(helmGlobals),
  helmCharts: list(helmChart, 'types.HelmChart'),
  helmChartInflationGenerator: optional(list(oldHelmChart, 'types.HelmChartArgs')),
  generatorOptions: optional(generatorOptions),
  configurations: list(text),
  generators: list(text),
  transformers: list(text),
  validators: list(text),
  buildMetadata: list(text),
}

type Raw = { readonly [K in keyof typeof kustomizationFields]: ReturnType<(typeof kustomizationFields)[K]> }

const rawKustomization: Decoder<Raw> = struct('Kustomization', kustomizationFields)

/** A kustomization file as written, with the defaults of kind and apiVersion and without the old names of fields. */
export interface Kustomization
  extends Omit<
    Raw,
    'bases' | 'imageTags' | 'helmChartInflationGenerator' | 'vars' | 'patchesStrategicMerge' | 'patchesJson6902' | 'commonLabels'
  > {
  readonly vars: readonly Var[]
  readonly patchesStrategicMerge: readonly string[]
  readonly patchesJson6902: readonly Patch[]
  readonly commonLabels: ReadonlyMap<string, string>
}

export interface ParsedKustomization {
  readonly kustomization: Kustomization
  /** One for each deprecated field that is used. */
  readonly warnings: readonly string[]
}

export interface ParseOptions extends YamlLimits {
  /** Drop fields that do not exist, and take numbers and booleans for texts where these are wanted. */
  readonly lenient?: boolean
}

/**
 * Parses a kustomization file.
 * @throws BuildError for fields that do not exist (unless lenient), values of a wrong type, an empty file, a wrong kind or apiVersion.
 */
export function parseKustomization(source: string, file: string, options: ParseOptions = {}): ParsedKustomization {
  try {
    const raw = decodeFile(source, options)
    return { kustomization: mend(raw), warnings: deprecations(raw) }
  } catch (error) {
    if (error instanceof BuildError && error.place.file === undefined) {
      throw new BuildError(error.message, { ...error.place, file }, { cause: error })
    }
    throw error
  }
}

function decodeFile(source: string, { lenient = false, ...limits }: ParseOptions): Raw {
  try {
    const value = loadFirst(source, { dialect: 'sigs', ...limits }) ?? null
    const raw = rawKustomization(value, { strict: !lenient, coerce: lenient, path: '' })
    if (isUnused(value)) throw new EmptyKustomization('kustomization.yaml is empty')
    return raw
  } catch (error) {
    throw error instanceof EmptyKustomization ? error : wrapError(error, 'invalid Kustomization')
  }
}

class EmptyKustomization extends BuildError {}

/** An empty list is something; an empty text is nothing. */
function isUnused(value: Json): boolean {
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([name, field]) => /^(?:apiVersion|kind)$/i.test(name) || field === null || field === '')
}

const CURRENT_VERSION = 'kustomize.config.k8s.io/v1beta1'
const COMPONENT_VERSION = 'kustomize.config.k8s.io/v1alpha1'

function mend(raw: Raw): Kustomization {
  const { bases, imageTags, helmChartInflationGenerator: oldCharts = [], ...rest } = raw
  const kind = raw.kind || 'Kustomization'
  return {
    ...rest,
    kind,
    apiVersion: raw.apiVersion || (kind === 'Component' ? COMPONENT_VERSION : CURRENT_VERSION),
    resources: [...raw.resources, ...(bases ?? [])],
    images: [...raw.images, ...(imageTags ?? [])],
    configMapGenerator: raw.configMapGenerator.map(withEnvFile),
    secretGenerator: raw.secretGenerator.map(withEnvFile),
    helmCharts: [...raw.helmCharts, ...oldCharts.map(withoutOldNames)],
    helmGlobals: globalsOf(raw),
    vars: raw.vars ?? [],
    patchesStrategicMerge: raw.patchesStrategicMerge ?? [],
    patchesJson6902: raw.patchesJson6902 ?? [],
    commonLabels: raw.commonLabels ?? new Map(),
  }
}

/** Of several old entries the last that names a folder counts. */
function globalsOf({ helmGlobals: own, helmChartInflationGenerator: oldCharts = [] }: Raw): HelmGlobals | undefined {
  if (own || oldCharts.length === 0) return own
  const last = (home: 'chartHome' | 'helmHome') => oldCharts.findLast((chart) => chart[home] !== '')?.[home] ?? ''
  return { chartHome: last('chartHome'), configHome: last('helmHome') }
}

function withEnvFile(generator: DataGenerator): DataGenerator {
  return generator.env === '' ? generator : { ...generator, envs: [...generator.envs, generator.env], env: '' }
}

/** What is wrong with kind and apiVersion, one line each. */
export function typeErrors({ kind, apiVersion }: Kustomization): string[] {
  const errors: string[] = []
  if (kind !== 'Kustomization' && kind !== 'Component') errors.push('kind should be Kustomization or Component')
  const required = kind === 'Component' ? COMPONENT_VERSION : CURRENT_VERSION
  if (apiVersion !== required) errors.push(`apiVersion for ${kind} should be ${required}`)
  return errors
}

const SUCCESSORS: readonly (readonly [keyof Raw, string])[] = [
  ['bases', 'resources'],
  ['commonLabels', 'labels'],
  ['imageTags', 'images'],
  ['patchesJson6902', 'patches'],
  ['patchesStrategicMerge', 'patches'],
  ['vars', 'replacements'],
]

function deprecations(raw: Raw): string[] {
  return SUCCESSORS.filter(([field]) => raw[field] !== undefined).map(
    ([field, successor]) => `# Warning: '${field}' is deprecated. Please use '${successor}' instead.`,
  )
}
