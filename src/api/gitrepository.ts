/** GitRepository: a Git repository as a source of manifests. */
import { ageColumn, defineKind, readyColumns } from './kind.ts'
import { artifactSchema, commonStatusFields, type FluxObject, freshStatus, localReference } from './meta.ts'
import { array, boolean, duration, type Infer, object, oneOf, optional, shortDuration, string } from './schema.ts'

const include = object('Another GitRepository whose artifact is copied into this one.', {
  repository: localReference('The GitRepository to copy from, in the same namespace.'),
  fromPath: optional(string('Which directory of the other artifact is copied; all of it when empty.')),
  toPath: optional(string('Where it is placed in this artifact; a directory named after the other GitRepository when empty.')),
})

const reference = object('Which commit is fetched; the branch master when empty.', {
  branch: optional(string('A branch; master when no other field is set.')),
  tag: optional(string('A tag; wins over branch.')),
  semver: optional(string('A range of versions: the newest tag within it is taken; wins over tag.')),
  name: optional(string('A full reference name such as refs/heads/main or refs/pull/420/head; wins over branch, tag and semver.')),
  commit: optional(
    string('A commit id; wins over everything else. With branch, only that branch is fetched, and it must contain the commit.'),
  ),
})

const verification = object('Which signatures a commit or tag must carry to be accepted.', {
  mode: optional(
    oneOf(
      'What must be signed: the commit that was fetched (HEAD, or head in old manifests), the tag, or both.',
      ['head', 'HEAD', 'Tag', 'TagAndHEAD'],
      { default: 'HEAD' },
    ),
  ),
  secretRef: localReference(
    'Secret with the public keys of trusted authors: PGP keys in entries *.asc, SSH keys in entries *.sshpub.',
  ),
})

const spec = object(
  'Which repository is fetched, how often and how.',
  {
    url: string('Address of the repository: http, https or ssh.', { pattern: '^(http|https|ssh)://.*$' }),
    interval: duration('How often the repository is looked at for changes; subject to jitter.'),
    ref: optional(reference),
    secretRef: optional(
      localReference(
        'Secret with the credentials. For http and https: username and password, or bearerToken, and optionally ca.crt, tls.crt, tls.key. For ssh: identity and known_hosts.',
      ),
    ),
    provider: optional(
      oneOf('Who issues the credentials when they do not come from a Secret; generic when empty.', [
        'generic',
        'aws',
        'azure',
        'github',
      ]),
    ),
    serviceAccountName: optional(
      string("ServiceAccount whose identity is exchanged for the provider's credentials; for azure and aws only."),
    ),
    proxySecretRef: optional(
      localReference('Secret with the address, and optionally username and password, of the proxy to go through.'),
    ),
    timeout: optional(shortDuration('How long a fetch may take.', { default: '60s' })),
    verify: optional(verification),
    ignore: optional(
      string(
        'Files that are left out of the artifact, in the syntax of .gitignore. It is added to the .sourceignore files of the repository, and replaces the built-in list.',
      ),
    ),
    sparseCheckout: optional(
      array('Directories to fetch; everything else is left out of the artifact.', string('Path of a directory.')),
    ),
    recurseSubmodules: optional(boolean('Whether the submodules are fetched too, from the addresses in .gitmodules.')),
    include: optional(array('Artifacts of other GitRepositories to copy into this one.', include)),
    suspend: optional(boolean('Whether all work on this object is put off; what was fetched stays.')),
  },
  {
    rules: [
      {
        rule: "!has(self.serviceAccountName) || (has(self.provider) && (self.provider == 'azure' || self.provider == 'aws'))",
        message: "serviceAccountName can only be set when provider is 'azure' or 'aws'",
      },
    ],
  },
)

const status = object(
  'What was fetched last, and how it went.',
  {
    ...commonStatusFields,
    artifact: optional(artifactSchema('The archive of the last successful fetch.')),
    includedArtifacts: optional(
      array(
        'The archives that were copied in, in the order of spec.include.',
        artifactSchema('The archive of an included GitRepository.'),
      ),
    ),
    observedIgnore: optional(string('The spec.ignore that the present artifact was made with.')),
    observedInclude: optional(array('The spec.include that the present artifact was made with.', include)),
    observedRecurseSubmodules: optional(boolean('The spec.recurseSubmodules that the present artifact was made with.')),
    observedSparseCheckout: optional(
      array('The spec.sparseCheckout that the present artifact was made with.', string('Path of a directory.')),
    ),
    sourceVerificationMode: optional(string('The spec.verify.mode that the present artifact was verified with.')),
  },
  { default: freshStatus },
)

export type GitRepositorySpec = Infer<typeof spec>
export type GitRepositoryStatus = Infer<typeof status>
export type GitRepository = FluxObject<GitRepositorySpec, GitRepositoryStatus>

export const gitRepositoryKind = defineKind({
  group: 'source.toolkit.fluxcd.io',
  version: 'v1',
  kind: 'GitRepository',
  plural: 'gitrepositories',
  shortNames: ['gitrepo'],
  categories: ['all', 'fluxcd', 'fluxcd-sources'],
  columns: [{ name: 'URL', type: 'string', jsonPath: '.spec.url' }, ageColumn, ...readyColumns],
  description: 'A Git repository whose files are fetched, packed and served to those that consume them.',
  spec,
  status,
})
