/**
 * `make manifests`: writes each installation of deploy/ as one file, `dist/manifests/<name>.yaml`, by the program's own engine.
 * `make manifests IMAGE=registry.example/sluice:v1` makes them run that image. `node deploy/manifests.ts FOLDER` writes to another folder.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { wholeDisk, withFile } from '../src/lib/disk-tree.ts'
import { build } from '../src/lib/kustomize/index.ts'

const installations = ['default', 'ha', 'split', 'sharded', 'multi-tenant']

const [folder = join(import.meta.dirname, '../dist/manifests')] = process.argv.slice(2)
const output = resolve(folder)
await mkdir(output, { recursive: true })
for (const name of installations) {
  const file = join(output, `${name}.yaml`)
  await writeFile(file, await manifests(name, process.env.IMAGE ?? ''))
  process.stdout.write(`${file}\n`)
}

/** The installation, with an image in place of `sluice` where one is given: a kustomization of it that is on no disk. */
async function manifests(name: string, image: string): Promise<string> {
  const base = relative(output, join(import.meta.dirname, name))
  const overlay = { resources: [base], ...(image !== '' && { images: [{ name: 'sluice', ...partsOf(image) }] }) }
  const tree = withFile(wholeDisk(), join(output, 'kustomization.yaml').slice(1), JSON.stringify(overlay))
  return (await build(tree, output, { wholeDisk: true })).yaml()
}

/** A port before the path is no tag. */
function partsOf(image: string): { newName: string; newTag?: string; digest?: string } {
  const [, newName = image, newTag, digest] = /^(.+?)(?::([\w][\w.-]*))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(image) ?? []
  return { newName, ...(newTag !== undefined && { newTag }), ...(digest !== undefined && { digest }) }
}
