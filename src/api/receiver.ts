/** Receiver: an address that others call to have objects reconciled at once. */
import { eventSourceKinds } from './alert.ts'
import { ageColumn, defineKind, readyColumns } from './kind.ts'
import { commonStatusFields, type FluxObject, freshStatus, localReference } from './meta.ts'
import { array, boolean, duration, type Infer, map, object, oneOf, optional, string } from './schema.ts'

const resource = object('Objects that are reconciled.', {
  apiVersion: optional(string('API version of the objects; needed for kinds that are not sources.')),
  kind: oneOf('Kind of the objects.', eventSourceKinds),
  name: string('Name of the object, or * for those that matchLabels selects.', { minLength: 1, maxLength: 253 }),
  namespace: optional(string('Namespace of the objects; that of the Receiver when empty.', { minLength: 1, maxLength: 253 })),
  matchLabels: optional(map('Labels of the objects, when the name is *.', string('Value of the label.'))),
  filter: optional(string('A CEL expression over req, res and claims: only objects for which it holds are reconciled.')),
})

const oidcProvider = object('An issuer of tokens that is trusted.', {
  issuerURL: string('Address of the issuer.', { pattern: '^https?://' }),
  audience: optional(string('Who the tokens must be meant for; notification-controller when empty.')),
  variables: optional(
    array(
      'Values that validations may use as vars.<name>; each may use those before it.',
      object('A named value.', {
        name: string('Its name.'),
        expression: string('A CEL expression over claims and vars.'),
      }),
    ),
  ),
  validations: array(
    'What must hold for a token.',
    object('One condition.', {
      expression: string('A CEL expression over claims and vars.'),
      message: string('What the caller reads when it does not hold.'),
    }),
    { minItems: 1 },
  ),
})

const spec = object(
  'Who may call, and what is reconciled then.',
  {
    type: oneOf('Who calls: it decides how a call is checked.', [
      'generic',
      'generic-hmac',
      'generic-oidc',
      'github',
      'gitlab',
      'bitbucket',
      'harbor',
      'dockerhub',
      'quay',
      'gcr',
      'nexus',
      'acr',
      'cdevents',
    ]),
    secretRef: optional(localReference('Secret with the token that calls are checked with, in the same namespace.')),
    oidcProviders: optional(array('The issuers whose tokens are accepted, for generic-oidc.', oidcProvider, { key: 'issuerURL' })),
    events: optional(array('The events that are acted upon; all when empty.', string('Name of an event as the caller has it.'))),
    resources: array('What is reconciled.', resource),
    resourceFilter: optional(string('A CEL expression over req, res and claims: only objects for which it holds are reconciled.')),
    interval: optional(duration('How often the Secret is looked at again.', { default: '10m' })),
    suspend: optional(boolean('Whether calls are refused for now.')),
  },
  {
    rules: [
      {
        rule: "self.type != 'generic-oidc' || (has(self.oidcProviders) && size(self.oidcProviders) > 0)",
        message: 'generic-oidc receivers must define at least one oidcProvider',
      },
      {
        rule: "self.type == 'generic-oidc' || !has(self.oidcProviders) || size(self.oidcProviders) == 0",
        message: 'oidcProviders can only be set when type is generic-oidc',
      },
      {
        rule: "self.type != 'generic-oidc' || !has(self.secretRef)",
        message: 'secretRef cannot be set when type is generic-oidc',
      },
      {
        rule: "self.type == 'generic-oidc' || has(self.secretRef)",
        message: 'secretRef is required when type is not generic-oidc',
      },
    ],
  },
)

const status = object(
  'Where calls go to, and how the last check went.',
  {
    ...commonStatusFields,
    webhookPath: optional(string('Path of the address, as /hook/<checksum of token, name and namespace>.')),
  },
  { default: freshStatus },
)

export type ReceiverSpec = Infer<typeof spec>
export type ReceiverStatus = Infer<typeof status>
export type Receiver = FluxObject<ReceiverSpec, ReceiverStatus>
export type ReceiverResource = Infer<typeof resource>

export const receiverKind = defineKind({
  group: 'notification.toolkit.fluxcd.io',
  version: 'v1',
  kind: 'Receiver',
  plural: 'receivers',
  shortNames: [],
  categories: ['all', 'fluxcd', 'fluxcd-notifications'],
  columns: [ageColumn, ...readyColumns],
  description: 'An address that others call to have objects reconciled at once.',
  spec,
  status,
})
