/** The dashboards and the rest of deploy/monitoring, as files: what a Grafana or a cluster would be given. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { load } from 'js-yaml'
import { describe, expect, it } from 'vitest'
import { dashboards } from '../../deploy/monitoring/dashboards.ts'
import type { KubeObject } from '../../src/api/object.ts'
import { folderOf, objectsOf, ofKind, yamlOf } from '../tools/deploy.ts'
import { run } from '../tools/processes.ts'
import { findTool } from '../tools/tools.ts'
import { monitoring } from './world.ts'

interface ConfigMap extends KubeObject {
  readonly data: Readonly<Record<string, string>>
}

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly description?: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly fieldConfig?: { readonly defaults: { readonly unit: string } }
}

describe.each(Object.entries(dashboards))('%s', (name, made) => {
  const { panels, templating } = made as { panels: Panel[]; templating: { list: { name: string }[] } }

  it('is what dashboards.ts makes', async () => {
    expect(JSON.parse(await readFile(join(monitoring, 'dashboards', name), 'utf8'))).toEqual(made)
  })

  it('says of every panel what it shows and in which unit, and gives each a place of its own', () => {
    const taken = new Set<string>()
    for (const { type, title, description = '', fieldConfig, gridPos } of panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(x, title).toBeLessThan(24)
          expect(taken, title).not.toContain(`${x} ${y}`)
          taken.add(`${x} ${y}`)
        }
      }
      if (type === 'row') continue
      expect(description.length, title).toBeGreaterThan(10)
      expect(fieldConfig?.defaults.unit, title).toMatch(/^\w+$/)
    }
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
  })

  it('uses the variables that it has, and no others', () => {
    const builtIn = new Set(['__rate_interval'])
    const used = new Set([...JSON.stringify(made).matchAll(/\$\{?(\w+)/g)].map(([, variable = '']) => variable))
    const own = templating.list.map((variable) => variable.name)
    expect([...used].filter((variable) => !builtIn.has(variable) && variable !== '__all').toSorted()).toEqual(own.toSorted())
  })
})

describe('kubectl apply -k deploy/monitoring', () => {
  it('gives the same objects as our own engine builds', async () => {
    const text = await run(await findTool('kubectl'), ['kustomize', folderOf('monitoring')])
    expect(await yamlOf('monitoring')).toBe(text)
  })

  it('gives Grafana both dashboards, and kube-state-metrics its configuration', async () => {
    const maps = ofKind<ConfigMap>(await objectsOf('monitoring'), 'ConfigMap')
    const grafana = maps.find(({ metadata }) => metadata.labels?.grafana_dashboard === '1')
    expect(Object.values(grafana?.data ?? {}).map((json) => JSON.parse(json).title)).toEqual([
      'Sluice / cluster',
      'Sluice / control plane',
    ])
    const states = maps.find(({ metadata }) => metadata.name.startsWith('kube-state-metrics-'))
    const file = await readFile(join(monitoring, 'custom-resource-state.yaml'), 'utf8')
    expect(load(states?.data['custom-resource-state.yaml'] ?? '')).toEqual(load(file))
    const deployment = JSON.stringify(ofKind(await objectsOf('monitoring'), 'Deployment'))
    expect(deployment).toContain(`"configMap":{"name":"${states?.metadata.name}"}`)
  })
})
