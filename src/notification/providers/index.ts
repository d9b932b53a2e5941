/** The services, by the type of a Provider. */
import type { ProviderType } from '../../api/provider.ts'
import type { ProviderDefinition } from '../notifier.ts'
import { azureDevOps } from './azuredevops.ts'
import { bitbucket } from './bitbucket.ts'
import { bitbucketServer } from './bitbucketserver.ts'
import { generic, genericHmac } from './generic.ts'
import { gitea, giteaPullRequestComment } from './gitea.ts'
import { github, githubDispatch, githubPullRequestComment } from './github.ts'
import { gitlab, gitlabMergeRequestComment } from './gitlab.ts'

const providers: Partial<Record<ProviderType, ProviderDefinition>> = {
  generic,
  'generic-hmac': genericHmac,
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
