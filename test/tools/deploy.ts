/** The installations in deploy/, as our own engine builds them. */
import { join, resolve } from 'node:path'
import type { KubeObject } from '../../src/api/object.ts'
import { wholeDisk } from '../../src/lib/disk-tree.ts'
import { type BuildResult, build } from '../../src/lib/kustomize/index.ts'

const folder = resolve(import.meta.dirname, '../../deploy')

/** Ways to install Sluice: folders of deploy/. */
export const overlays = ['default', 'ha', 'split', 'sharded', 'multi-tenant'] as const
export type Overlay = (typeof overlays)[number]

export function folderOf(name: string): string {
  return join(folder, name)
}

export interface Deployment extends KubeObject {
  readonly spec: {
    readonly replicas: number
    readonly selector: { readonly matchLabels: Labels }
    readonly template: {
      readonly metadata: { readonly labels: Labels }
      readonly spec: { readonly serviceAccountName: string; readonly containers: readonly Container[] }
    }
  }
}

export type Labels = Readonly<Record<string, string>>

export interface Container {
  readonly name: string
  readonly image: string
  readonly args: readonly string[]
  readonly env: readonly { readonly name: string }[]
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
  readonly livenessProbe: { readonly httpGet: { readonly port: string; readonly path: string } }
  readonly readinessProbe: { readonly httpGet: { readonly port: string; readonly path: string } }
}

/** What `sluice build deploy/<name>` prints. */
export async function yamlOf(name: string): Promise<string> {
  return (await built(name)).yaml()
}

/** The objects of `sluice build deploy/<name>`. */
export async function objectsOf(name: string): Promise<readonly KubeObject[]> {
  return (await built(name)).resources as unknown as readonly KubeObject[]
}

function built(name: string): Promise<BuildResult> {
  return build(wholeDisk(), folderOf(name), { wholeDisk: true })
}

export function ofKind<T extends KubeObject>(objects: readonly KubeObject[], kind: string): readonly T[] {
  return objects.filter((object): object is T => object.kind === kind)
}

/** The flags of a Deployment's pod, without their dashes, as its container would get them. */
export function flagsOf(deployment: Deployment): Readonly<Record<string, string>> {
  const [, ...args] = containerOf(deployment).args
  const expanded = args.map((arg) => arg.replace('$(RUNTIME_NAMESPACE)', 'flux-system'))
  return Object.fromEntries(
    expanded.map((arg) => {
      const [, name = '', value = 'true'] = /^--([^=]+)(?:=(.*))?$/.exec(arg) ?? []
      return [name, value]
    }),
  )
}

export function containerOf(deployment: Deployment): Container {
  const [container] = deployment.spec.template.spec.containers
  if (!container) throw new Error(`Deployment ${deployment.metadata.name} has no container`)
  return container
}

/** Whether a selector selects these labels. */
export function selects(selector: Labels, labels: Labels): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value)
}
