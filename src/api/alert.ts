/** Alert: which events are sent to which Provider. It has no status and no runs of its own. */
import { ageColumn, defineKind } from './kind.ts'
import { type FluxObject, localReference } from './meta.ts'
import { array, boolean, type Infer, map, object, oneOf, optional, string } from './schema.ts'

/** The kinds that alerts and receivers may name. */
export const eventSourceKinds = [
  'Bucket',
  'GitRepository',
  'Kustomization',
  'HelmRelease',
  'HelmChart',
  'HelmRepository',
  'ImageRepository',
  'ImagePolicy',
  'ImageUpdateAutomation',
  'OCIRepository',
  'ArtifactGenerator',
  'ExternalArtifact',
] as const

const eventSource = object('Objects whose events are meant.', {
  apiVersion: optional(string('API version of the objects; not looked at.')),
  kind: oneOf('Kind of the objects.', eventSourceKinds),
  name: string('Name of the object, or * for all.', { minLength: 1, maxLength: 253 }),
  namespace: optional(string('Namespace of the objects; that of the Alert when empty.', { minLength: 1, maxLength: 253 })),
  matchLabels: optional(map('Labels that the object must have.', string('Value of the label.'))),
})

const spec = object('Which events are sent, and where to.', {
  providerRef: localReference('The Provider that the events are sent to, in the same namespace.'),
  eventSources: array('The objects whose events are sent.', eventSource),
  eventSeverity: optional(oneOf('The least severity that is sent: info sends everything.', ['info', 'error'], { default: 'info' })),
  eventMetadata: optional(
    map("What is added to the metadata of the events; it never replaces what the event's controller said.", string('The value.')),
  ),
  inclusionList: optional(
    array(
      'Regular expressions: when there are any, only events whose message one of them matches are sent.',
      string('One of them.'),
    ),
  ),
  exclusionList: optional(
    array('Regular expressions: events whose message one of them matches are not sent.', string('One of them.')),
  ),
  summary: optional(string('A short description of what is concerned; use eventMetadata instead.', { maxLength: 255 })),
  suspend: optional(boolean('Whether nothing is sent for now.')),
})

export type AlertSpec = Infer<typeof spec>
export type Alert = FluxObject<AlertSpec>
export type EventSource = Infer<typeof eventSource>

export const alertKind = defineKind({
  group: 'notification.toolkit.fluxcd.io',
  version: 'v1beta3',
  kind: 'Alert',
  plural: 'alerts',
  shortNames: [],
  categories: ['all', 'fluxcd', 'fluxcd-notifications'],
  columns: [ageColumn],
  description: 'A selection of events and the Provider that they are sent to.',
  spec,
})
