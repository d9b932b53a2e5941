import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

/** How many features each group has; ids are never reused, so a group only grows. */
const groups = {
  API: 22,
  'SRC-ART': 13,
  'SRC-GIT': 26,
  'SRC-OCI': 17,
  'SRC-HRP': 8,
  'SRC-CHT': 10,
  'SRC-BKT': 9,
  'SRC-EXT': 2,
  'SRC-GEN': 6,
  'KUS-BLD': 12,
  'KUS-SUB': 6,
  'KUS-DEC': 7,
  'KUS-APL': 12,
  'KUS-PRN': 4,
  'KUS-HLT': 6,
  'KUS-DEP': 2,
  'KUS-REC': 5,
  'KUS-RMT': 3,
  'HLM-CHT': 5,
  'HLM-VAL': 5,
  'HLM-REL': 10,
  'HLM-ACT': 12,
  'HLM-REM': 5,
  'HLM-DRF': 3,
  'HLM-STA': 4,
  'HLM-DEP': 1,
  'HLM-HLT': 1,
  'HLM-RMT': 2,
  'HLM-FRC': 1,
  'HLM-UNI': 1,
  'NOT-ALR': 5,
  'NOT-PRV': 12,
  'NOT-EVT': 4,
  'NOT-RCV': 8,
  'IMG-REP': 7,
  'IMG-POL': 5,
  'IMG-AUT': 9,
  'OPR-INS': 19,
  'OPR-REP': 2,
  'OPR-RST': 11,
  'OPR-RIP': 10,
  CLI: 34,
  OBS: 15,
  SEC: 16,
}

const text = readFileSync(join(import.meta.dirname, '../docs/features.md'), 'utf8')
const rows = [...text.matchAll(/^\| ([A-Z]+(?:-[A-Z]+)?-\d+) \| (.+) \| (.*) \|$/gm)].map(
  ([, id = '', feature = '', status = '']) => ({
    id,
    feature,
    status,
  }),
)

describe('docs/features.md', () => {
  it('lists every feature once, in order', () => {
    const ids = Object.entries(groups).flatMap(([group, count]) =>
      Array.from({ length: count }, (_, index) => `${group}-${String(index + 1).padStart(2, '0')}`),
    )
    expect(rows.map(({ id }) => id)).toEqual(ids)
  })

  it('gives each one of the statuses that it explains', () => {
    const statuses = ['works', 'partly', 'not yet']
    expect(rows.filter(({ status }) => !statuses.includes(status))).toEqual([])
    for (const status of statuses) expect(text).toContain(`\n| ${status} | `)
  })

  it('says that a feature works only where a test names it', () => {
    const tests = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.test.ts'),
    )
    const texts = tests.map((file) => readFileSync(join(import.meta.dirname, file), 'utf8')).join('\n')
    // Not as a part of another id: F-API-07 is no API-07.
    const named = new Set(texts.match(/(?<![\w-])[A-Z]{1,4}(?:-[A-Z]{2,4})?-\d\d\b/g))
    expect(rows.filter(({ id, status }) => status === 'works' && !named.has(id)).map(({ id }) => id)).toEqual([])
  })
})
