/** Provider: a service that events are sent to. It has no status and no runs of its own. */
import { ageColumn, defineKind } from './kind.ts'
import { type FluxObject, localReference } from './meta.ts'
import { boolean, duration, type Infer, object, oneOf, optional, shortDuration, string } from './schema.ts'

const providerTypes = [
  'slack',
  'discord',
  'msteams',
  'rocket',
  'generic',
  'generic-hmac',
  'github',
  'gitlab',
  'gitea',
  'giteapullrequestcomment',
  'bitbucketserver',
  'bitbucket',
  'azuredevops',
  'googlechat',
  'googlepubsub',
  'webex',
  'sentry',
  'azureeventhub',
  'telegram',
  'lark',
  'matrix',
  'opsgenie',
  'alertmanager',
  'grafana',
  'githubdispatch',
  'githubpullrequestcomment',
  'gitlabmergerequestcomment',
  'pagerduty',
  'datadog',
  'nats',
  'zulip',
  'otel',
  'zoom',
  'incident.io',
] as const

const spec = object(
  'Which service it is, and how it is reached.',
  {
    type: oneOf('The service.', providerTypes),
    address: optional(
      string('Its address; for Git services the URL of the repository. The entry address of the Secret wins.', { maxLength: 2048 }),
    ),
    channel: optional(string('The channel, room, topic or environment to send to.', { maxLength: 2048 })),
    username: optional(string('The name to send under.', { maxLength: 2048 })),
    secretRef: optional(
      localReference(
        'Secret with what the service asks for: address, token, username and password, headers (a YAML map), or keys of its own.',
      ),
    ),
    certSecretRef: optional(localReference('Secret with ca.crt, and tls.crt with tls.key, for TLS.')),
    proxySecretRef: optional(
      localReference('Secret with the address, and optionally username and password, of the proxy to go through.'),
    ),
    proxy: optional(
      string('Address of the proxy to go through; use proxySecretRef instead.', {
        maxLength: 2048,
        pattern: '^(http|https)://.*$',
      }),
    ),
    timeout: optional(shortDuration('How long sending one event may take; 15s when empty.')),
    interval: optional(duration('Not used any more.')),
    serviceAccountName: optional(
      string("ServiceAccount whose identity is exchanged for the service's credentials; for clouds only."),
    ),
    commitStatusExpr: optional(
      string('A CEL expression over event, alert and provider that gives the id of commit statuses; for Git services only.'),
    ),
    suspend: optional(boolean('Whether nothing is sent for now.')),
  },
  {
    rules: [
      {
        rule: "self.type == 'github' || self.type == 'gitlab' || self.type == 'gitea' || self.type == 'bitbucketserver' || self.type == 'bitbucket' || self.type == 'azuredevops' || !has(self.commitStatusExpr)",
        message:
          "spec.commitStatusExpr is only supported for the 'github', 'gitlab', 'gitea', 'bitbucketserver', 'bitbucket', 'azuredevops' provider types",
      },
    ],
  },
)

export type ProviderType = (typeof providerTypes)[number]
export type ProviderSpec = Infer<typeof spec>
export type Provider = FluxObject<ProviderSpec>

export const providerKind = defineKind({
  group: 'notification.toolkit.fluxcd.io',
  version: 'v1beta3',
  kind: 'Provider',
  plural: 'providers',
  shortNames: [],
  categories: ['all', 'fluxcd', 'fluxcd-notifications'],
  columns: [ageColumn],
  description: 'A service that events are sent to.',
  spec,
})
