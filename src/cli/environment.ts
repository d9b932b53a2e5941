/** The world as charts see it that a person renders: this machine's clock, zone and randomness. */
import { randomBytes } from 'node:crypto'
import { Budget, type Environment } from '../lib/chart/index.ts'

export function localEnvironment(): Environment {
  return {
    now: () => performance.timeOrigin + performance.now(),
    random: randomBytes,
    zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    budget: new Budget(),
  }
}
