/** What the steps of the demo work with. */
import type { GitServer } from '../tools/git-server.ts'
import type { Kubectl } from '../tools/kubectl.ts'
import type { Repository } from '../tools/repository.ts'
import type { Sluice } from '../tools/sluice.ts'
import { type Claim, type Live, untilObject } from '../tools/watch.ts'
import { type Board, seconds } from './board.ts'
import type { NotificationPage } from './page.ts'

export interface Stage {
  readonly board: Board
  readonly kubectl: Kubectl
  readonly kubeconfig: string
  readonly sluice: Sluice
  readonly git: GitServer
  readonly repository: Repository
  readonly page: NotificationPage
  /** Names of the Kustomizations in the order in which they became Ready. */
  readonly readyOrder: Set<string>
}

/** Waits for an object of the namespace flux-system, or of another one. */
export function until({ kubeconfig }: Stage, ref: string, claim: Claim, namespace = 'flux-system'): Promise<Live> {
  return untilObject(ref, { kubeconfig, namespace }, claim, 120_000)
}

/** Replaces text in a file of the repository, as a commit; returns its id. */
export async function edit(
  { repository }: Stage,
  path: string,
  [before, after]: readonly [string, string],
  message: string,
): Promise<string> {
  const text = await repository.git('show', `main:${path}`)
  if (!text.includes(before)) throw new Error(`${path} does not say "${before}"`)
  return repository.commit({ [path]: `${text.replace(before, after)}\n` }, message, now())
}

/** Commits of the demo are dated as a person's would be. */
export function now(): { date: number } {
  return { date: Math.floor(Date.now() / 1000) }
}

/** `1.2 s`, from a time by `performance.now()`. */
export function since(startedAt: number): string {
  return seconds(performance.now() - startedAt)
}
