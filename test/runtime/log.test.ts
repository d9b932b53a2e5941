import { describe, expect, it } from 'vitest'
import { createLogger, redact, redactText } from '../../src/runtime/log.ts'

function capture(level = 'info', encoding: 'json' | 'console' = 'json') {
  const lines: string[] = []
  return { lines, log: createLogger({ level, encoding }, { write: (line) => void lines.push(line) }) }
}

describe('log', () => {
  it('OBS-12 writes the keys that the flux CLI reads, in the form that it reads them', () => {
    const { lines, log } = capture()
    const fields = { controllerKind: 'Kustomization', Kustomization: { name: 'apps', namespace: 'flux-system' } }
    log.child({ ...fields, name: 'apps', namespace: 'flux-system' }).info({ revision: 'main@sha1:abc' }, 'reconciliation finished')
    const line = JSON.parse(lines[0] ?? '')
    expect(line).toEqual({
      level: 'info',
      ts: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      msg: 'reconciliation finished',
      ...fields,
      name: 'apps',
      namespace: 'flux-system',
      revision: 'main@sha1:abc',
    })
  })

  it('OBS-12 writes the message of an error, and its stack at level debug', () => {
    const quiet = capture()
    quiet.log.error({ error: new Error('boom') }, 'reconciliation failed')
    expect(JSON.parse(quiet.lines[0] ?? '')).toMatchObject({ level: 'error', error: 'boom', msg: 'reconciliation failed' })
    expect(quiet.lines[0]).not.toContain('stacktrace')

    const loud = capture('debug')
    loud.log.error({ error: new Error('boom') }, 'reconciliation failed')
    expect(JSON.parse(loud.lines[0] ?? '').stacktrace).toContain('log.test.ts')
  })

  it('OBS-12 leaves out what is below its level', () => {
    const { lines, log } = capture('error')
    log.debug({}, 'a')
    log.info({}, 'b')
    log.error({}, 'c')
    expect(lines).toHaveLength(1)
  })

  it('OBS-12 knows no level that flux logs cannot ask for', () => {
    const { lines, log } = capture('trace')
    for (const level of ['debug', 'info', 'warn', 'error'] as const) log[level]({}, level)
    expect(lines.map((line) => JSON.parse(line).level)).toEqual(['debug', 'info', 'info', 'error'])
  })

  it('OBS-12 writes lines for people in console encoding', () => {
    const { lines, log } = capture('info', 'console')
    log.info({ name: 'apps' }, 'hello')
    expect(lines[0]).toMatch(/^\d{4}-\S+Z\tINFO\thello\t\{"name":"apps"\}\n$/)
  })

  it('keeps secrets out of every line', () => {
    const { lines, log } = capture()
    log.child({ url: 'https://user:hunter2@git.example.com/x.git' }).error(
      {
        error: new Error('GET https://bot:hunter2@example.com failed'),
        headers: { Authorization: 'Bearer hunter2hunter2', accept: '*/*' },
        object: { kind: 'Secret', metadata: { name: 's' }, data: { key: 'hunter2' }, stringData: { key: 'hunter2' } },
        nested: [{ password: 'hunter2' }],
      },
      'sent Bearer hunter2hunter2 to ssh://git:hunter2@host',
    )
    expect(lines.join()).not.toContain('hunter2')
    expect(lines.join()).toContain('https://[redacted]@git.example.com/x.git')
    expect(lines.join()).toContain('"accept":"*/*"')
  })

  it('keeps ordinary text as it is', () => {
    const text = 'failed to fetch https://example.com/a@b?mail=x@y.z: see user@example.com'
    expect(redactText(text)).toBe(text)
  })

  it('bounds what it looks at', () => {
    const loop: Record<string, unknown> = {}
    loop.self = loop
    expect(JSON.stringify(redact(loop))).toContain('[too deep]')
    expect(redact({ big: 2n ** 60n })).toEqual({ big: (2n ** 60n).toString() })
  })
})
