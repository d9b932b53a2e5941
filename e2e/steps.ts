/** The stories, in the order in which they are told. A new one is a file in steps/ and a line here. */
import type { Step } from './stage.ts'
import { confined } from './steps/confined.ts'
import { crashLoop } from './steps/crash-loop.ts'
import { failOver } from './steps/fail-over.ts'
import { failingHook } from './steps/failing-hook.ts'
import { firstSync } from './steps/first-sync.ts'
import { killMidApply } from './steps/kill-mid-apply.ts'
import { killedShim } from './steps/killed-shim.ts'
import { lateHealth } from './steps/late-health.ts'
import { lostCluster } from './steps/lost-cluster.ts'
import { lostStorage } from './steps/lost-storage.ts'
import { networkPolicies } from './steps/network-policies.ts'
import { scraping } from './steps/scraping.ts'
import { selfUpgrade } from './steps/self-upgrade.ts'
import { tenants } from './steps/tenants.ts'

export const steps: readonly Step[] = [
  firstSync,
  lateHealth,
  crashLoop,
  failingHook,
  killMidApply,
  lostStorage,
  killedShim,
  selfUpgrade,
  failOver,
  scraping,
  tenants,
  confined,
  networkPolicies,
  lostCluster,
]
