import { expect, it } from 'vitest'
import { startNotificationPage } from './page.ts'

const notification = {
  severity: 'error',
  reason: 'UpgradeFailed',
  message: 'port <80800> & more',
  timestamp: '2026-01-01T00:00:00Z',
  involvedObject: { kind: 'HelmRelease', namespace: 'shop', name: 'web' },
}

const post = (url: string, body: string) => fetch(url, { method: 'POST', body })

it('shows what was posted to it, the newest first, and nothing of it as HTML', async () => {
  await using page = await startNotificationPage()
  const failed = page.until(({ severity }) => severity === 'error')
  expect((await post(page.url, JSON.stringify({ ...notification, severity: 'info', reason: 'First' }))).status).toBe(204)
  expect((await post(page.url, JSON.stringify(notification))).status).toBe(204)
  expect(await failed).toEqual(notification)
  const text = await (await fetch(page.url)).text()
  expect(text).toContain('HelmRelease shop/web<td>UpgradeFailed<td>port &lt;80800&gt; &amp; more')
  expect(text.indexOf('UpgradeFailed')).toBeLessThan(text.indexOf('First'))
})

it('refuses what is no notification, and goes on', async () => {
  await using page = await startNotificationPage()
  const bodies = ['', '{', '[]', '{"involvedObject": 1}', 'x'.repeat(2 << 20)]
  for (const body of bodies) expect((await post(page.url, body)).status).toBe(400)
  expect((await fetch(page.url, { method: 'DELETE' })).status).toBe(405)
  expect(await (await fetch(page.url)).text()).toContain('None yet.')
})

it('says what came instead of what was waited for', async () => {
  await using page = await startNotificationPage()
  await post(page.url, JSON.stringify(notification))
  await expect(page.until(({ reason }) => reason === 'Other', 10)).rejects.toThrow('these came: UpgradeFailed')
})
