/** Generators and transformers that files configure (`generators`, `transformers`, `validators`): the builtin ones. */

import { BuildError } from '../errors.ts'
import { emit } from '../yaml/index.ts'
import { bool, type Decoder, list, optional, struct, text, textMap } from './decode.ts'
import { withPrefix } from './fields.ts'
import { inflateChart } from './generators/charts.ts'
import { generateData } from './generators/data.ts'
import { generateIamPolicy, iamPolicy } from './generators/iam.ts'
import { addHashes } from './hash.ts'
import {
  configMapGenerator,
  type DataGenerator,
  fieldSpec,
  helmChartGenerator,
  image,
  objectMeta,
  replacementField,
  replica,
  secretArgs,
  selector,
} from './kustomization.ts'
import { type ResourceId, resourceIdText } from './resid.ts'
import { ResMap } from './resmap.ts'
import type { Resource } from './resource.ts'
import { addAffix } from './transformers/affix.ts'
import { setImages } from './transformers/images.ts'
import { addEntries } from './transformers/metadata.ts'
import { setNamespaces, subjectMode } from './transformers/namespace.ts'
import {
  jsonPatchTransformer,
  type PatchContext,
  patchTransformer,
  strategicMergeTransformer,
  type Transformer,
} from './transformers/patches.ts'
import { applyReplacements, loadReplacements } from './transformers/replacements.ts'
import { setReplicas } from './transformers/replicas.ts'
import { valueAdd, valueAddTransformer } from './transformers/valueadd.ts'

export type Generator = () => ResMap

const specs = list(fieldSpec, 'types.FieldSpec')
const context = { strict: false, coerce: true, path: '' }

/** What a configuration needs beyond itself. */
type Setup = (config: Resource, context: PatchContext) => Transformer

function configured<T>(decoder: Decoder<T>, make: (config: T, context: PatchContext, resource: Resource) => Transformer): Setup {
  return (resource, patchContext) => make(decoder(resource.toJson(), context), patchContext, resource)
}

const affix = struct('AffixTransformer', { prefix: text, suffix: text, fieldSpecs: optional(specs) })

function requireSpecs<T>(fieldSpecs: readonly T[] | undefined): readonly T[] {
  if (!fieldSpecs) throw new BuildError('fieldSpecs is not expected to be nil')
  return fieldSpecs
}

const TRANSFORMERS: ReadonlyMap<string, Setup> = new Map<string, Setup>([
  [
    'AnnotationsTransformer',
    configured(struct('AnnotationsTransformer', { annotations: textMap, fieldSpecs: specs }), (config) => {
      return (resources) => addEntries(resources, config.annotations, config.fieldSpecs)
    }),
  ],
  [
    'LabelTransformer',
    configured(struct('LabelTransformer', { labels: textMap, fieldSpecs: specs }), (config) => {
      return (resources) => addEntries(resources, config.labels, config.fieldSpecs)
    }),
  ],
  ['HashTransformer', () => addHashes],
  [
    'ImageTagTransformer',
    configured(struct('ImageTagTransformer', { imageTag: image, fieldSpecs: specs }), (config) => {
      return (resources) => setImages(resources, config.imageTag, config.fieldSpecs)
    }),
  ],
  [
    'NamespaceTransformer',
    configured(
      struct('NamespaceTransformer', { metadata: objectMeta, fieldSpecs: specs, unsetOnly: bool, setRoleBindingSubjects: text }),
      (config) => {
        const options = {
          namespace: config.metadata.namespace,
          specs: config.fieldSpecs,
          unsetOnly: config.unsetOnly,
          subjects: subjectMode(config.setRoleBindingSubjects),
        }
        return (resources) => setNamespaces(resources, options)
      },
    ),
  ],
  [
    'PatchJson6902Transformer',
    configured(
      struct('PatchJson6902Transformer', { target: optional(selector), path: text, jsonOp: text }),
      (config, patchContext) =>
        jsonPatchTransformer({ target: config.target, path: config.path, patch: config.jsonOp }, patchContext),
    ),
  ],
  [
    'PatchStrategicMergeTransformer',
    configured(struct('PatchStrategicMergeTransformer', { paths: list(text), patches: text }), (config, patchContext) =>
      strategicMergeTransformer(config.paths, config.patches, patchContext),
    ),
  ],
  [
    'PatchTransformer',
    configured(
      struct('PatchTransformer', {
        path: text,
        patch: text,
        target: optional(selector),
        options: optional(struct('PatchArgs', { allowNameChange: bool, allowKindChange: bool })),
      }),
      (config, patchContext, resource) => patchTransformer(config, patchContext, emit(resource.toJson())),
    ),
  ],
  [
    'PrefixTransformer',
    configured(affix, ({ prefix, fieldSpecs }) => {
      const required = requireSpecs(fieldSpecs)
      return (resources) => addAffix(resources, { prefix }, required)
    }),
  ],
  [
    'SuffixTransformer',
    configured(affix, ({ suffix, fieldSpecs }) => {
      const required = requireSpecs(fieldSpecs)
      return (resources) => addAffix(resources, { suffix }, required)
    }),
  ],
  [
    'PrefixSuffixTransformer',
    configured(affix, ({ prefix, suffix, fieldSpecs }) => {
      const required = requireSpecs(fieldSpecs)
      return (resources) => {
        addAffix(resources, { prefix }, required)
        addAffix(resources, { suffix }, required)
      }
    }),
  ],
  [
    'ReplacementTransformer',
    configured(
      struct('ReplacementTransformer', { replacements: list(replacementField, 'types.ReplacementField') }),
      (config, { loader }) => {
        const replacements = loadReplacements(config.replacements, loader)
        return (resources) => applyReplacements(resources, replacements)
      },
    ),
  ],
  [
    'ReplicaCountTransformer',
    configured(struct('ReplicaCountTransformer', { replica, fieldSpecs: specs }), (config) => {
      return (resources) => setReplicas(resources, config.replica, config.fieldSpecs)
    }),
  ],
  ['ValueAddTransformer', configured(valueAdd, (config, { loader }) => valueAddTransformer(config, loader))],
])

const GENERATORS: ReadonlySet<string> = new Set([
  'ConfigMapGenerator',
  'SecretGenerator',
  'IAMPolicyGenerator',
  'HelmChartInflationGenerator',
])

/** @throws BuildError for what is no builtin transformer, or is configured wrongly. */
export function transformerFrom(config: Resource, patchContext: PatchContext): Transformer {
  const id = requireBuiltin(config)
  const setup = TRANSFORMERS.get(id.kind)
  if (!setup) throw new BuildError(GENERATORS.has(id.kind) ? `plugin ${resourceIdText(id)} not a transformer` : unknown(id))
  return withPrefix(
    () => `plugin ${resourceIdText(id)} fails configuration`,
    () => setup(config, patchContext),
  )
}

/** @throws BuildError for what is no builtin generator, or is configured wrongly. */
export function generatorFrom(config: Resource, { loader, read, charts }: PatchContext): Generator {
  const id = withPrefix(
    () => 'failed to load generator',
    () => requireBuiltin(config),
  )
  if (!GENERATORS.has(id.kind)) {
    throw new BuildError(
      `failed to load generator: ${TRANSFORMERS.has(id.kind) ? `plugin ${resourceIdText(id)} not a generator` : unknown(id)}`,
    )
  }
  if (id.kind === 'HelmChartInflationGenerator' && !charts) throw new BuildError(HELM_REFUSED)
  return withPrefix(
    () => `failed to load generator: plugin ${resourceIdText(id)} fails configuration`,
    () => makeGenerator(id.kind, config, { loader, read, charts }),
  )
}

/** Why charts in a kustomization are refused. */
export const HELM_REFUSED = 'helmCharts are not enabled here: use a HelmRelease, or render the chart and commit the result'

function makeGenerator(kind: string, config: Resource, { loader, read, charts }: PatchContext): Generator {
  const value = config.toJson()
  if (kind === 'HelmChartInflationGenerator') {
    const chart = helmChartGenerator(value, context)
    return () => new ResMap(inflateChart(chart, chart.chartHome, { loader, read, charts }))
  }
  if (kind === 'IAMPolicyGenerator') {
    const policy = iamPolicy(value, context)
    return () => new ResMap([generateIamPolicy(policy, read.schemas)])
  }
  const args = (kind === 'Secret' || kind === 'SecretGenerator' ? secretArgs : configMapGenerator)(value, context)
  const named: DataGenerator = { ...args, name: args.name || config.name, namespace: args.namespace || config.namespace }
  const dataKind = kind === 'SecretGenerator' ? 'Secret' : 'ConfigMap'
  return () => new ResMap([generateData(dataKind, named, loader, read.schemas)])
}

function requireBuiltin(config: Resource): ResourceId {
  const id = config.originalId()
  if (id.group === '' && id.version === 'builtin') return id
  throw new BuildError(`external plugins disabled; unable to load external plugin '${id.kind}'`, config.place)
}

function unknown(id: ResourceId): string {
  return `unable to load builtin ${id.kind}.${id.version}.[noGrp]`
}
