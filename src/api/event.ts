/** Events as controllers tell them to the notification controller. Source: github.com/fluxcd/pkg/apis/event/v1beta1. */

/** The object that an event is about. */
export interface InvolvedObject {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly uid?: string
  readonly apiVersion?: string
  readonly resourceVersion?: string
}

/** The JSON body of `POST /` on the events address. */
export interface FluxEvent {
  readonly involvedObject: InvolvedObject
  readonly severity: 'info' | 'error'
  /** RFC 3339. */
  readonly timestamp: string
  readonly message: string
  readonly reason: string
  /** Keys with the group in front: `kustomize.toolkit.fluxcd.io/revision`, `event.toolkit.fluxcd.io/commit`. */
  readonly metadata?: Readonly<Record<string, string>>
  readonly reportingController: string
  readonly reportingInstance?: string
}

/** Keys of metadata, with the group of the involved object in front. */
export const eventMetadata = {
  revision: 'revision',
  originRevision: 'originRevision',
  checksum: 'checksum',
  digest: 'digest',
  token: 'token',
  commitStatus: 'commit_status',
} as const

/** Group of metadata that objects bring along in their annotations. */
export const eventGroup = 'event.toolkit.fluxcd.io'
