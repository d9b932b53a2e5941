/** What is asked of the engine and of the real Helm. */

import type { Request } from '../helm-answer.ts'

export type TemplateRequest = Extract<Request, { readonly op: 'template' }>
export type RenderRequest = Extract<Request, { readonly op: 'render' }>
export type HelmRequest = TemplateRequest | RenderRequest | Extract<Request, { readonly op: 'version' }>

/** `ok` and the fields of the request's kind, or `error`. */
export interface HelmAnswer {
  readonly ok: boolean
  readonly error?: string
  readonly [field: string]: unknown
}

export function templateRequest(template: string, more: Partial<TemplateRequest> = {}): TemplateRequest {
  return {
    op: 'template',
    template,
    values: '',
    files: {},
    templates: {},
    release: { name: 'rel', namespace: 'ns' },
    options: { kubeVersion: '1.34.0', apiVersions: [] },
    ...more,
  }
}
