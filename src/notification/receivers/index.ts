/** How calls are checked, by the type of a Receiver. */
import type { ReceiverSpec } from '../../api/receiver.ts'
import { cdevents } from './cdevents.ts'
import type { Check } from './check.ts'
import { generic, genericHmac } from './generic.ts'
import { bitbucket, github, gitlab } from './git.ts'
import { genericOidc } from './oidc.ts'
import { acr, dockerhub, gcr, harbor, nexus, quay } from './registry.ts'

export const checks: Readonly<Record<ReceiverSpec['type'], Check>> = {
  generic,
  'generic-hmac': genericHmac,
  'generic-oidc': genericOidc,
  github,
  gitlab,
  bitbucket,
  harbor,
  dockerhub,
  quay,
  gcr,
  nexus,
  acr,
  cdevents,
}
