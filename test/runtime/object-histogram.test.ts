import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { ObjectHistogram } from '../../src/runtime/object-histogram.ts'
import { parseScrape } from '../tools/scrape.ts'

function histogram(): ObjectHistogram {
  return new ObjectHistogram({ name: 'took_seconds', help: 'How long it took.', buckets: [0.1, 1] })
}

const web = { kind: 'Kustomization', name: 'web', namespace: 'apps' }

describe('the histogram of objects', () => {
  it('counts each value in its bucket and in those above', async () => {
    const took = histogram()
    for (const value of [0.1, 0.2, 1, 5]) took.observe(web, value)
    const labels = 'kind="Kustomization",name="web",namespace="apps"'
    expect(await took.text()).toBe(`# HELP took_seconds How long it took.
# TYPE took_seconds histogram
took_seconds_bucket{le="0.1",${labels}} 1
took_seconds_bucket{le="1",${labels}} 3
took_seconds_bucket{le="+Inf",${labels}} 4
took_seconds_sum{${labels}} ${0.1 + 0.2 + 1 + 5}
took_seconds_count{${labels}} 4
`)
  })

  it('forgets an object, and no other', async () => {
    const took = histogram()
    took.observe(web, 1)
    took.observe({ ...web, name: 'shop' }, 1)
    took.remove(web)
    const series = parseScrape(await took.text()).get('took_seconds')?.series ?? []
    expect(new Set(series.map(({ labels }) => labels.name))).toEqual(new Set(['shop']))
  })

  it('lets others have their turn while it tells of thousands', async () => {
    const took = histogram()
    for (let index = 0; index < 2_000; index++) took.observe({ ...web, name: `web-${index}` }, 1)
    let turns = 0
    let isDone = false
    const text = took.text().finally(() => {
      isDone = true
    })
    while (!isDone) {
      turns++
      await nextTurn()
    }
    expect(turns).toBeGreaterThan(10)
    expect(parseScrape(await text).get('took_seconds')?.series).toHaveLength(2_000 * 5)
  })

  it('tells of no object that has gone meanwhile', async () => {
    const took = histogram()
    for (let index = 0; index < 300; index++) took.observe({ ...web, name: `web-${index}` }, 1)
    const text = took.text()
    for (let index = 0; index < 300; index++) took.remove({ ...web, name: `web-${index}` })
    expect(parseScrape(await text).get('took_seconds')?.series).toHaveLength(100 * 5)
  })
})
