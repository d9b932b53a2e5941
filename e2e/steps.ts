/** The stories, in the order in which they are told. A new one is a file in steps/ and a line here. */
import type { Step } from './stage.ts'
import { crashLoop } from './steps/crash-loop.ts'
import { firstSync } from './steps/first-sync.ts'
import { lateHealth } from './steps/late-health.ts'

export const steps: readonly Step[] = [firstSync, lateHealth, crashLoop]
