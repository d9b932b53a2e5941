/** What indexes cost: each is read in a worker thread, in a few times its own size of memory. */

import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { versionsIn } from '../../src/lib/chart/index.ts'
import { WorkerPool } from '../../src/runtime/workers.ts'
import { indexTask } from '../../src/source/helm-index.ts'

const mebibyte = 1024 * 1024
/** docs/sources.md: what reading an index may take, in times of its size. */
const planned = 6

const indexes = new Map<string, Buffer>()
let server: Server
let pool: WorkerPool
let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'index-'))
  pool = new WorkerPool(new URL('./worker.entry.ts', import.meta.url), { size: 1 })
  server = createServer((request, response) => void response.end(indexes.get(request.url ?? ''))).listen(0, '127.0.0.1')
  await once(server, 'listening')
})

afterAll(async () => {
  server.close()
  await pool.close()
  await rm(directory, { recursive: true, force: true })
})

/** An index with so many charts, five versions each, whose descriptions have so many characters. */
function index(charts: number, descriptionLength: number): Buffer {
  const description = 'words '.repeat(descriptionLength / 6)
  const version = (chart: number, number: number) =>
    [
      '  - annotations:',
      '      category: Infrastructure',
      '    apiVersion: v2',
      `    appVersion: ${number}.0.0`,
      '    created: "2026-01-02T03:04:05.678901234Z"',
      `    description: ${description}end`,
      `    digest: ${String(chart * 10 + number).padStart(64, 'a')}`,
      '    maintainers:',
      '    - name: somebody',
      '      url: https://example.com/somebody',
      `    name: app-${chart}`,
      '    urls:',
      `    - https://charts.example.com/app-${chart}-1.${number}.0.tgz`,
      `    version: 1.${number}.0`,
      '',
    ].join('\n')
  const chart = (at: number) => `  app-${at}:\n${[4, 3, 2, 1, 0].map((number) => version(at, number)).join('')}`
  const text = Array.from({ length: charts }, (_, at) => chart(at))
  return Buffer.from(`apiVersion: v1\nentries:\n${text.join('')}generated: "2026-01-02T03:04:05Z"\n`)
}

function read(name: string, maxBytes: number) {
  indexes.set(`/${name}/index.yaml`, indexes.get(name) ?? Buffer.alloc(0))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}/`
  const access = { url, passCredentials: false, timeoutMs: 60_000 }
  return pool.run(indexTask, { access, maxBytes, file: join(directory, name) }, {})
}

/** Looks at this process every few milliseconds: its memory, and how long its main thread was busy otherwise. */
function watchProcess() {
  const start = process.memoryUsage.rss()
  let [peak, last, longest] = [start, performance.now(), 0]
  const timer = setInterval(() => {
    const now = performance.now()
    peak = Math.max(peak, process.memoryUsage.rss())
    longest = Math.max(longest, now - last)
    last = now
  }, 10)
  return {
    stop() {
      clearInterval(timer)
      return { grownBytes: peak - start, longestMs: longest }
    },
  }
}

it('F-HRP-01 reads an index of 100 MiB in the memory that is planned, while other work goes on', async () => {
  indexes.set('small', index(10, 60))
  await read('small', mebibyte)
  indexes.set('large', index(2_000, 10_400))
  const { length } = indexes.get('large') ?? Buffer.alloc(0)
  expect(length).toBeGreaterThan(100 * mebibyte)

  const watch = watchProcess()
  const begun = performance.now()
  const finished: string[] = []
  const large = read('large', 200 * mebibyte).then((output) => {
    finished.push('large')
    return output
  })
  while (finished.length < 3) {
    await read('small', mebibyte)
    finished.push('small')
  }
  const output = await large
  const tookMs = performance.now() - begun
  const { grownBytes, longestMs } = watch.stop()
  // The same thread reads other indexes meanwhile, and the main thread has time for everything else.
  expect(finished).toEqual(['small', 'small', 'small', 'large'])
  expect(longestMs).toBeLessThan(tookMs / 4)
  expect(grownBytes / length).toBeLessThan(planned)

  const file = join(directory, 'large')
  expect((await stat(file)).size).toBe(output.index?.sizeBytes)
  expect(await versionsIn(createReadStream(file), 'app-1999')).toHaveLength(5)
})

it('refuses a large index in a form that programs do not write, instead of running out of memory', async () => {
  const inner = index(500, 10_400).toString('utf8').replace('entries:', '"entries":')
  indexes.set('odd', Buffer.from(inner))
  await expect(read('odd', 200 * mebibyte)).rejects.toMatchObject({
    name: 'IndexError',
    message: expect.stringMatching(/with \d+ bytes it is too large to be read in another: write it by helm repo index/),
  })
})

it('SRC-HRP-01 reads an index of 5,000 entries within seconds', async () => {
  indexes.set('usual', index(1_000, 600))
  const start = process.cpuUsage()
  await read('usual', 50 * mebibyte)
  const { user } = process.cpuUsage(start)
  expect(user / 1e6).toBeLessThan(10)
  expect(await versionsIn(createReadStream(join(directory, 'usual')), 'app-999')).toHaveLength(5)
})
