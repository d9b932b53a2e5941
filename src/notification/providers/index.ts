/** The services, by the type of a Provider. */
import type { ProviderType } from '../../api/provider.ts'
import type { ProviderDefinition } from '../notifier.ts'
import { alertmanager } from './alertmanager.ts'
import { azureDevOps } from './azuredevops.ts'
import { bitbucket } from './bitbucket.ts'
import { bitbucketServer } from './bitbucketserver.ts'
import { datadog } from './datadog.ts'
import { generic, genericHmac } from './generic.ts'
import { gitea, giteaPullRequestComment } from './gitea.ts'
import { github, githubDispatch, githubPullRequestComment } from './github.ts'
import { gitlab, gitlabMergeRequestComment } from './gitlab.ts'
import { googleChat } from './googlechat.ts'
import { grafana } from './grafana.ts'
import { incidentIo } from './incidentio.ts'
import { lark } from './lark.ts'
import { matrix } from './matrix.ts'
import { msteams } from './msteams.ts'
import { nats } from './nats.ts'
import { opsgenie } from './opsgenie.ts'
import { pagerDuty } from './pagerduty.ts'
import { sentry } from './sentry.ts'
import { discord, rocket, slack } from './slack.ts'
import { telegram } from './telegram.ts'
import { webex } from './webex.ts'
import { zoom } from './zoom.ts'
import { zulip } from './zulip.ts'

const providers: Partial<Record<ProviderType, ProviderDefinition>> = {
  generic,
  'generic-hmac': genericHmac,
  slack,
  discord,
  rocket,
  msteams,
  googlechat: googleChat,
  webex,
  telegram,
  matrix,
  lark,
  zulip,
  zoom,
  sentry,
  opsgenie,
  pagerduty: pagerDuty,
  'incident.io': incidentIo,
  datadog,
  grafana,
  alertmanager,
  nats,
  github,
  gitlab,
  gitea,
  bitbucket,
  bitbucketserver: bitbucketServer,
  azuredevops: azureDevOps,
  githubdispatch: githubDispatch,
  githubpullrequestcomment: githubPullRequestComment,
  gitlabmergerequestcomment: gitlabMergeRequestComment,
  giteapullrequestcomment: giteaPullRequestComment,
}

/** @throws Error for a type that is part of the API and not built yet. */
export function providerOf(type: ProviderType): ProviderDefinition {
  const definition = Object.hasOwn(providers, type) ? providers[type] : undefined
  if (definition) return definition
  throw new Error(`provider type '${type}' is not implemented in this version`)
}
