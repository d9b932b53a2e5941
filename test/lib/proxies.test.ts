import { describe, expect, it } from 'vitest'
import { proxyFor } from '../../src/lib/proxies.ts'

const all = { http: 'http://proxy:3128', https: 'https://secure:3129' }

describe('the proxy of a request', () => {
  it.each([
    ['http://charts.example/', 'http://proxy:3128'],
    ['https://charts.example/', 'https://secure:3129'],
    ['https://10.1.2.3/', 'https://secure:3129'],
    ['http://localhost/', undefined],
    ['http://127.1.2.3:8080/', undefined],
    ['https://[::1]/', undefined],
  ])('is for %s %s', (url, proxy) => {
    expect(proxyFor(new URL(url), all)).toBe(proxy)
  })

  it('is that of its scheme alone', () => {
    expect(proxyFor(new URL('https://charts.example/'), { http: 'http://proxy' })).toBeUndefined()
    expect(proxyFor(new URL('http://charts.example/'), { https: 'http://proxy' })).toBeUndefined()
  })

  it('may be given without a scheme', () => {
    expect(proxyFor(new URL('http://charts.example/'), { http: 'proxy:3128' })).toBe('http://proxy:3128')
  })

  it.each([
    ['*', 'http://charts.example/', true],
    ['charts.example', 'http://charts.example/', true],
    ['other, Charts.Example', 'http://charts.example/', true],
    ['example', 'http://charts.example/', true],
    ['.example', 'http://charts.example/', true],
    ['*.example', 'http://charts.example/', true],
    ['.charts.example', 'http://charts.example/', false],
    ['*.charts.example', 'http://charts.example/', false],
    ['harts.example', 'http://charts.example/', false],
    ['charts.example:80', 'http://charts.example/', true],
    ['charts.example:443', 'https://charts.example/', true],
    ['charts.example:8080', 'http://charts.example/', false],
    ['10.0.0.0/8,.svc', 'http://10.1.2.3/', true],
    ['10.0.0.0/8,.svc', 'http://charts.apps.svc/', true],
    ['10.0.0.0/8', 'http://11.1.2.3/', false],
    ['10.0.0.0/8', 'http://ten.example/', false],
    ['10.1.2.3', 'http://10.1.2.3/', true],
    ['10.1.2.3:81', 'http://10.1.2.3/', false],
    ['fd00::/8', 'http://[fd00::1]/', true],
    ['[fd00::1]:80', 'http://[fd00::1]/', true],
    ['fd00::1', 'http://[fd00::2]/', false],
    ['10.0.0.0/99, /, :80, ,', 'http://10.1.2.3/', false],
  ])('NO_PROXY=%s for %s: %s', (none, url, isWithout) => {
    expect(proxyFor(new URL(url), { ...all, none }) === undefined).toBe(isWithout)
  })
})
