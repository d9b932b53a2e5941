/** Makes the expectations of test/lib/kustomize/fixtures anew with the real kustomize. Run: npx node test/tools/kustomize/goldens.ts */

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type Fixture, readFixtures, withExpectation } from '../../lib/kustomize/txtar.ts'

const KUSTOMIZE = join(homedir(), '.cache/sluice/tools/kustomize-v5.8.1/kustomize')

for (const fixture of readFixtures()) writeFileSync(fixture.path, remade(fixture))

function remade(fixture: Fixture): string {
  const root = mkdtempSync(join(tmpdir(), 'kustomize-golden-'))
  try {
    for (const [path, content] of fixture.files) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), content)
    }
    const args = ['build', '--load-restrictor', 'LoadRestrictionsNone', '--reorder', 'none', join(root, fixture.target)]
    const { status, stdout, stderr } = spawnSync(KUSTOMIZE, args, { encoding: 'utf8' })
    const text = readFileSync(fixture.path, 'utf8')
    if (status === 0) return withExpectation(text, 'expected.yaml', stdout)
    const error = stderr.split('\n').filter((line) => !/deprecated|Warning/.test(line))
    return withExpectation(text, 'expected-error.txt', error.join('\n').trim().replaceAll(`${root}/`, ''))
  } finally {
    rmSync(root, { recursive: true })
  }
}
