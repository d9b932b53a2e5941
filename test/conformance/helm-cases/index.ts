/** Random cases of each kind, all reproducible from a seed. */

import { Random } from '../random.ts'
import { randomChart, randomSets } from './charts.ts'
import { argument } from './expressions.ts'
import { randomFormat } from './formats.ts'
import { quoted } from './literals.ts'
import { type HelmRequest, templateRequest } from './request.ts'
import { FILES, mutated, randomTemplate, TEMPLATES } from './templates.ts'
import { randomYaml, VALUES } from './values.ts'

export type Kind = 'template' | 'printf' | 'values' | 'versions' | 'chart' | 'set' | 'mutation'

/** The corpus is what mutations start from. */
export function randomCase(kind: Kind, seed: number, corpus: readonly string[]): HelmRequest {
  return MAKERS[kind](new Random(seed), corpus)
}

const MAKERS: { readonly [K in Kind]: (random: Random, corpus: readonly string[]) => HelmRequest } = {
  template: (random) => templateRequest(randomTemplate(random), surroundings),
  printf,
  values,
  versions,
  chart: randomChart,
  set: randomSets,
  mutation: (random, corpus) => templateRequest(mutated(random, random.pick(corpus)), surroundings),
}

export const KINDS = Object.keys(MAKERS) as readonly Kind[]

const surroundings = { values: VALUES, files: FILES, templates: TEMPLATES }

function printf(random: Random): HelmRequest {
  const scope = { random, variables: [], isRoot: true }
  const sorts = ['any', 'number', 'string', 'int', 'list', 'dict', 'bool'] as const
  const one = () => {
    const name = random.chance(0.9) ? `printf ${quoted(randomFormat(random))}` : random.pick(['print', 'println'])
    return `{{ ${[name, ...Array.from({ length: random.below(4) }, () => argument(scope, random.pick(sorts), 1))].join(' ')} }}`
  }
  return templateRequest(random.several(3, one).join('|'), surroundings)
}

const DUMPS = [
  '{{ toYaml .Values }}',
  '{{ toJson .Values }}',
  '{{ toToml .Values }}',
  '{{ toYamlPretty .Values }}',
  '{{ toPrettyJson .Values }}',
  '{{ toRawJson .Values }}',
  '{{ .Values }}',
  '{{ printf "%#v" .Values }}',
  '{{ range $k, $v := .Values }}{{ $k }}={{ $v }} {{ kindOf $v }};{{ end }}',
  '{{ toYaml .Values | fromYaml | toJson }}',
  '{{ toJson .Values | fromJson | toYaml }}',
  '{{ deepCopy .Values | merge (dict "a" (dict "z" 1)) | toYaml }}',
  '{{ .Files.Get "v.yaml" | fromYaml | toYaml }}',
  '{{ .Files.Get "v.yaml" | fromYaml | toJson }}',
  '{{ .Files.Get "v.yaml" | fromYamlArray | toYaml }}',
  '{{ toToml .Values | fromToml | toJson }}',
  '{{ toYaml .Values | indent 3 | quote }}',
]

function values(random: Random): HelmRequest {
  const text = randomYaml(random)
  const odd = random.chance(0.1) ? mutated(random, text) : text
  return templateRequest(random.pick(DUMPS), random.chance(0.7) ? { values: odd } : { files: { 'v.yaml': odd } })
}

function versions(random: Random): HelmRequest {
  const number = () => random.pick(['0', '1', '2', '3', '10', 'x', '*', '12', '01', 'X'])
  const digits = () => random.pick(['0', '1', '2', '3', '10', '12'])
  const tail = () => random.pick(['', '', '', '', '-alpha', '-rc.1', '-0', '+b1', '-1', '-alpha.1+b', '-01', '-rc-1'])
  const partial = () => random.pick(['', '', 'v']) + random.several(3, number).join('.') + tail()
  const term = () =>
    random.pick(['', '=', '!=', '>', '<', '>=', '<=', '~', '~>', '^', '=>', '=<', '==', '><']) +
    random.pick(['', '', ' ']) +
    partial()
  const group = () =>
    random.chance(0.15)
      ? `${partial()}${random.pick([' - ', ' -', '-'])}${partial()}`
      : random.several(3, term).join(random.pick([' ', ', ', ',', '  ']))
  // Without spaces around it: the command takes them off.
  const constraint = random.chance(0.05)
    ? ''
    : random
        .several(2, group)
        .join(random.pick([' || ', '||', ' | ']))
        .trim()
  const version = () => `${random.pick(['', '', '', 'v'])}${digits()}.${digits()}.${digits()}${tail()}`
  const list = random.several(6, () => (random.chance(0.93) ? version() : partial()))
  if (random.chance(0.5)) return { op: 'version', constraint, versions: [...new Set(list)] }
  const asked = list.map((each) => `{{ semverCompare ${quoted(constraint)} ${quoted(each)} }}`).join(' ')
  return templateRequest(
    random.chance(0.8)
      ? asked
      : `{{ $v := semver ${quoted(list[0] ?? '')} }}{{ $v }} {{ $v.Major }} {{ $v.Prerelease }} {{ $v.Metadata }} {{ $v.Original }} {{ $v.Compare (semver ${quoted(version())}) }}`,
  )
}
