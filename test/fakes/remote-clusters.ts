import type { RemoteClustersOptions } from '../../src/runtime/remote-clusters.ts'

/** Nothing is allowed that can be forbidden. */
export const strict: RemoteClustersOptions = {
  allowExec: false,
  allowInsecureTls: false,
  tokens: { defaultAccount: '', mayChooseAccount: false, mayBeSluice: false },
  turns: 4,
}
