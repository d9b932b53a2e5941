/** IAMPolicyGenerator: a ServiceAccount that acts as an account of Google Cloud. */

import { BuildError } from '../../errors.ts'
import type { Json } from '../../json.ts'
import { type Decoder, struct, text } from '../decode.ts'
import { Resource } from '../resource.ts'
import type { SchemaSet } from '../schema.ts'
import { jsonToNode } from '../spell.ts'

export interface IamPolicy {
  readonly cloud: string
  readonly kubernetesService: { readonly name: string; readonly namespace: string }
  readonly serviceAccount: { readonly name: string; readonly projectId: string }
}

export const iamPolicy: Decoder<IamPolicy> = struct('IAMPolicyGeneratorArgs', {
  cloud: text,
  kubernetesService: struct('KubernetesService', { name: text, namespace: text }),
  serviceAccount: struct('ServiceAccount', { name: text, projectId: text }),
})

/** @throws BuildError for clouds other than gke. */
export function generateIamPolicy({ cloud, kubernetesService, serviceAccount }: IamPolicy, schemas: SchemaSet): Resource {
  if (cloud !== 'gke') throw new BuildError(`cloud provider ${cloud} not supported yet`)
  const account = `${serviceAccount.name}@${serviceAccount.projectId}.iam.gserviceaccount.com`
  const { name, namespace } = kubernetesService
  const object: Json = {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { annotations: { 'iam.gke.io/gcp-service-account': account }, name, ...(namespace !== '' && { namespace }) },
  }
  return new Resource(jsonToNode(object), schemas)
}
