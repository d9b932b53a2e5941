/** What is done to releases: one file for each verb. */
import type { Actions } from './action.ts'
import { test } from './helmtest.ts'
import { install } from './install.ts'
import { rollback } from './rollback.ts'
import { uninstall } from './uninstall-release.ts'
import { upgrade } from './upgrade.ts'

export const actions: Actions = { install, upgrade, rollback, uninstall, test }
