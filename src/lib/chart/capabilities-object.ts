/** `.Capabilities`. Source: helm pkg/chart/common/capabilities.go, internal/version/version.go. */

import { func, p, param } from '../gotemplate/func.ts'
import { type Field, type GoType, Slice, Struct, types, type Value } from '../gotemplate/value.ts'
import { helmVersion, type KubeVersion } from './capabilities.ts'

const kubeVersionLayout: readonly Field[] = ['Version', 'normalizedVersion', 'Major', 'Minor'].map((name) => ({
  name,
  type: types.string,
}))

const kubeVersionType: GoType = {
  name: 'common.KubeVersion',
  kind: 'struct',
  fields: kubeVersionLayout.filter(({ name }) => name !== 'normalizedVersion'),
  unexported: ['normalizedVersion'],
  layout: kubeVersionLayout,
  methods: new Map([
    ['String', (version: Value) => func([], p.string, () => normalizedOf(version))],
    ['GitVersion', (version: Value) => func([], p.string, () => textField(version, 'Version'))],
  ]),
  pointerText: normalizedOf,
}

function normalizedOf(version: Value): string {
  return textField(version, 'normalizedVersion') || textField(version, 'Version')
}

function textField(struct: Value, name: string): string {
  const value = struct instanceof Struct ? struct.fields?.get(name) : undefined
  return typeof value === 'string' ? value : ''
}

const versionSetType: GoType = {
  name: 'common.VersionSet',
  kind: 'slice',
  elem: types.string,
  methods: new Map([
    ['Has', (versions: Value) => func([p.string], p.bool, (version) => (versions as Slice).items.includes(version))],
  ]),
}

const buildInfoType: GoType = {
  name: 'version.BuildInfo',
  kind: 'struct',
  fields: [
    { name: 'Version', type: types.string, json: 'version', omitEmpty: true },
    { name: 'GitCommit', type: types.string, json: 'git_commit', omitEmpty: true },
    { name: 'GitTreeState', type: types.string, json: 'git_tree_state', omitEmpty: true },
    { name: 'GoVersion', type: types.string, json: 'go_version', omitEmpty: true },
    { name: 'KubeClientVersion', type: types.string, json: 'kube_client_version' },
  ],
}

const capabilitiesType: GoType = {
  name: 'common.Capabilities',
  kind: 'struct',
  fields: [
    { name: 'KubeVersion', type: kubeVersionType },
    { name: 'APIVersions', type: versionSetType },
    { name: 'HelmVersion', type: buildInfoType },
  ],
}

const capabilitiesPointer: GoType = {
  name: '*common.Capabilities',
  kind: 'ptr',
  elem: capabilitiesType,
  methods: new Map([['Copy', (capabilities: Value) => func([], param(capabilitiesPointer), () => capabilities)]]),
}

/** `.Capabilities`. */
export function capabilitiesObject(kubeVersion: KubeVersion, apiVersions: readonly string[]): Struct {
  const version = new Map<string, Value>([
    ['Version', kubeVersion.version],
    ['normalizedVersion', kubeVersion.normalized],
    ['Major', kubeVersion.major],
    ['Minor', kubeVersion.minor],
  ])
  const build = new Map<string, Value>([
    ['Version', helmVersion.version],
    ['GitCommit', helmVersion.gitCommit],
    ['GitTreeState', helmVersion.gitTreeState],
    ['GoVersion', helmVersion.goVersion],
    ['KubeClientVersion', helmVersion.kubeClientVersion],
  ])
  const fields = new Map<string, Value>([
    ['KubeVersion', new Struct(kubeVersionType, version)],
    ['APIVersions', new Slice(versionSetType, apiVersions)],
    ['HelmVersion', new Struct(buildInfoType, build)],
  ])
  return new Struct(capabilitiesPointer, fields)
}
