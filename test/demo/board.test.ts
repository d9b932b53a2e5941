import { WriteStream } from 'node:tty'
import { stripVTControlCharacters } from 'node:util'
import { expect, it } from 'vitest'
import type { Live } from '../tools/watch.ts'
import { Board } from './board.ts'

it('prints lines where there is no terminal, each state of an object once', async () => {
  const { board, written } = boardOn({ isTTY: false })
  await board.step('apply', async () => {
    board.show(kustomization('apps', 'False', 'build failed'))
    board.show(kustomization('apps', 'False', 'build failed'))
    board.show(kustomization('apps', 'True', 'Applied revision: main'))
  })
  board[Symbol.dispose]()
  expect(
    written()
      .replaceAll(/[\d.]+ s/g, '1 s')
      .replaceAll(/ +\n/g, '\n'),
  ).toBe(
    [
      '▶ apply',
      '    ✗ kustomization/apps                 build failed',
      '    ● kustomization/apps                 Applied revision: main',
      '✓ apply 1 s',
      '',
    ].join('\n'),
  )
})

it('keeps a table up to date on a terminal, cut to its width', async () => {
  const { board, written } = boardOn({ isTTY: true, columns: 60 })
  board.show(kustomization('apps', 'Unknown', 'Building manifests for revision main@sha1:0123456789 with a timeout of 1m'))
  board.show(kustomization('apps', 'True', 'Applied revision: main'))
  board[Symbol.dispose]()
  expect(written()).toContain('\x1b[1A\x1b[J')
  const lines = stripVTControlCharacters(written()).split('\n')
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60)
  expect(lines.at(-2)).toContain('● kustomization/apps')
})

it('says which step failed', async () => {
  const { board, written } = boardOn({ isTTY: false })
  await expect(board.step('heal', () => Promise.reject(new Error('not healed')))).rejects.toMatchObject({
    step: 'heal',
    message: 'not healed',
  })
  expect(written()).toContain('✗ heal')
})

function boardOn(about: { isTTY: boolean; columns?: number }) {
  let text = ''
  const out: WriteStream = Object.assign(Object.create(WriteStream.prototype), {
    ...about,
    write(chunk: string) {
      text += chunk
      return true
    },
  })
  return { board: new Board(out), written: () => text }
}

function kustomization(name: string, status: 'True' | 'False' | 'Unknown', message: string): Live {
  return {
    apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
    kind: 'Kustomization',
    metadata: { name, uid: '', resourceVersion: '', creationTimestamp: '' },
    status: { conditions: [{ type: 'Ready', status, reason: 'Reason', message, lastTransitionTime: '' }] },
  }
}
