// biome-ignore-all lint/suspicious/noTemplateCurlyInString: what is tested
import { describe, expect, it } from 'vitest'
import type { KustomizationSpec } from '../../src/api/kustomization.ts'
import type { KubeObject } from '../../src/api/object.ts'
import { substituteVariables } from '../../src/kustomize/substitute.ts'
import { readSubstitution } from '../../src/kustomize/variables.ts'
import { messageOf } from '../../src/lib/errors.ts'
import type { Json } from '../../src/lib/json.ts'
import { emit } from '../../src/lib/yaml/index.ts'
import { kustomization } from './objects.ts'

const configMap = (data: Record<string, Json>, metadata: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'settings', ...metadata },
  data,
})

function substituted(object: KubeObject, variables: Record<string, string> = {}, strict = true): KubeObject {
  const built = { object, text: emit(object as unknown as Json), file: 'apps/settings.yaml' }
  return substituteVariables(built, { variables: new Map(Object.entries(variables)), strict, secrets: [] })
}

describe('substitution in an object', () => {
  it('KUS-SUB-01 fills in variables anywhere in it', () => {
    const object = substituted(configMap({ url: 'https://${host}/', '${key}': 'x' }, { namespace: '${env}-web' }), {
      host: 'example.com',
      key: 'k',
      env: 'staging',
    })
    expect(object).toMatchObject({ metadata: { namespace: 'staging-web' }, data: { url: 'https://example.com/', k: 'x' } })
  })

  it('KUS-SUB-01 F-VAR-04 may turn a string into a number, a boolean or a list', () => {
    const values = { n: '3', yes: 'true', list: '[a, b]', text: '"3"' }
    const object = substituted(configMap({ n: '${n}', yes: '${yes}', list: '${list}', text: '${text}', quoted: '"${n}"' }), values)
    expect(object.data).toEqual({ n: 3, yes: true, list: ['a', 'b'], text: '3', quoted: '"3"' })
  })

  it('KUS-SUB-03 F-VAR-02 leaves $name and escaped variables of a script alone', () => {
    const script = 'echo $HOME $(date) $${USER} ${name:=you}'
    expect(substituted(configMap({ script })).data).toEqual({ script: 'echo $HOME $(date) ${USER} you' })
  })

  it.each(['labels', 'annotations'])('KUS-SUB-04 leaves an object alone whose %s say so', (field) => {
    const object = configMap({ script: '${USER}' }, { [field]: { 'kustomize.toolkit.fluxcd.io/substitute': 'disabled' } })
    expect(substituted(object)).toBe(object)
  })

  it('KUS-SUB-05 F-VAR-01 names object, file, field and variable, and the escape, when one is not set', () => {
    const object = configMap({ script: 'a\nb ${USER}\n', other: '${known}' })
    const run = () => substituted(object, { known: 'x' })
    expect(run).toThrow(
      `post build failed for 'ConfigMap.v1.[noGrp]/settings': envsubst error: variable substitution failed: variable not set (strict mode): "USER" in data.script (apps/settings.yaml)`,
    )
    expect(run).toThrow('write $${…}')
    expect(run).toThrow('kustomize.toolkit.fluxcd.io/substitute: disabled')
    expect(substituted(object, { known: 'x' }, false).data).toEqual({ script: 'a\nb \n', other: 'x' })
  })

  it('F-VAR-03 refuses a variable with an impossible name', () => {
    expect(() => substituted(configMap({ a: 'b' }), { 'a-b': 'x' })).toThrow(
      "'a-b' var name is invalid, must match '^[_[:alpha:]][_[:alpha:][:digit:]]*$'",
    )
  })

  it('F-VAR-04 shows the line, not the value, when the result is no YAML any more', () => {
    const secret = { ...configMap({}), kind: 'Secret', stringData: { password: '${password}' } }
    const values = { password: 'hunter2: [' }
    expect(() => substituted(configMap({ password: '${password}' }), values)).toThrow('password: ${password}')
    expect(failure(() => substituted(secret, values))).not.toContain('hunter2')
    expect(failure(() => substituted(configMap({ password: '${password}' }), values))).not.toContain('hunter2')
  })
})

function failure(run: () => unknown): string {
  try {
    run()
    return ''
  } catch (error) {
    return messageOf(error)
  }
}

describe('the variables of a Kustomization', () => {
  const objects = new Map<string, object>([
    ['ConfigMap/flux/settings', { kind: 'ConfigMap', data: { region: 'eu\n', size: 'small' } }],
    ['Secret/flux/secrets', { kind: 'Secret', data: { size: Buffer.from('large').toString('base64') } }],
  ])
  const client = {
    find: async ({ kind, namespace, name }: { kind: string; namespace?: string; name: string }) =>
      objects.get(`${kind}/${namespace}/${name}`),
  }
  const read = async (postBuild: KustomizationSpec['postBuild']) => {
    const ks = kustomization('a', postBuild && { postBuild })
    // biome-ignore lint/suspicious/noExplicitAny: only find is used
    return readSubstitution(ks, { client: client as any, strict: true, signal: new AbortController().signal })
  }
  const from = (kind: 'ConfigMap' | 'Secret', name: string, optional = false) => ({ kind, name, optional })

  it('KUS-SUB-02 come from ConfigMaps and Secrets, later ones first, and from the spec before all', async () => {
    const substitution = await read({
      substituteFrom: [from('ConfigMap', 'settings'), from('Secret', 'secrets')],
      substitute: { name: 'x\ny' },
    })
    expect(Object.fromEntries(substitution?.variables ?? [])).toEqual({ region: 'eu', size: 'large', name: 'xy' })
    const own = await read({ substituteFrom: [from('Secret', 'secrets')], substitute: { size: 'own' } })
    expect(own?.variables.get('size')).toBe('own')
  })

  it('KUS-SUB-02 F-VAR-03 may be missing only where they are optional', async () => {
    await expect(read({ substituteFrom: [from('ConfigMap', 'gone')] })).rejects.toThrow(
      `substitute from 'ConfigMap/gone' error: configmaps "gone" not found`,
    )
    expect(await read({ substituteFrom: [from('ConfigMap', 'gone', true)], substitute: { a: 'b' } })).toMatchObject({
      variables: new Map([['a', 'b']]),
    })
  })

  it('KUS-SUB-06 are needed unless the strategy is Always', async () => {
    expect(await read(undefined)).toBeUndefined()
    expect(await read({})).toBeUndefined()
    expect(await read({ substituteFrom: [from('Secret', 'gone', true)] })).toBeUndefined()
    expect(await read({ substituteStrategy: 'Always' })).toMatchObject({ variables: new Map() })
  })
})
