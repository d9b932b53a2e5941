/** One comment for each object on a change request (pull or merge request): made once, and kept up to date. */
import type { Notification, ProviderDefinition, Sender, Target } from '../notifier.ts'
import { attempt, type GitApi, record, records } from './git-host.ts'
import { cut, readable } from './text.ts'

export interface Comment {
  readonly id: string
  readonly author: string
  readonly body: string
}

/** The comments of a repository's change requests on one host. */
export interface CommentHost {
  /** Whose comments are ours. */
  login(): Promise<string>
  /** The first hundred, oldest first: ours is made when the change request is new. */
  list(number: number): Promise<readonly Comment[]>
  create(number: number, body: string): Promise<void>
  update(number: number, id: string, body: string): Promise<void>
}

type Event = Notification['event']

/** GitHub takes no longer comment; the others do. */
const longestComment = 65_536

/** A provider of comments. `marker` begins the hidden line that finds a comment again. */
export function commentProvider(
  marker: string,
  open: (target: Target) => (sender: Sender) => Promise<CommentHost>,
): ProviderDefinition {
  return {
    purpose: 'changeRequestComment',
    connect(target) {
      if (target.providerUid === '') throw new Error('provider UID cannot be empty')
      const host = open(target)
      return async (notification, sender) => {
        const number = numberOf(notification)
        const event = readable(notification)
        const line = `<!-- ${marker}:${keyOf(target, event)} -->`
        const body = cut(`${line}\n\n${commentText(event)}`, longestComment)
        const opened = await host(sender)
        const login = await attempt('failed to get authenticated user info', opened.login())
        // A comment whose author is gone has none: it is not ours.
        if (login === '') throw new Error('failed to get authenticated user info: the host does not say whose token it is')
        const comments = await attempt(`failed to list the comments of change request ${number}`, opened.list(number))
        // Further on in a comment it may be quoted.
        const own = comments.find((comment) => comment.author === login && comment.body.startsWith(line))
        if (own) await attempt(`failed to update the comment on change request ${number}`, opened.update(number, own.id, body))
        else await attempt(`failed to comment on change request ${number}`, opened.create(number, body))
      }
    },
  }
}

/** Comments as GitHub has them, and Gitea, which gives all at once. `path` is that of the repository. */
export function issueComments(api: GitApi, path: string, login: () => Promise<string>): CommentHost {
  return {
    login,
    async list(number) {
      const answer = await api.get(`${path}/issues/${number}/comments?per_page=100`)
      return records(answer.json()).map(({ id, body, user }) => ({
        id: String(id),
        author: String(record(user).login ?? ''),
        body: String(body ?? ''),
      }))
    },
    async create(number, body) {
      await api.send('POST', `${path}/issues/${number}/comments`, { body })
    },
    async update(_number, id, body) {
      await api.send('PATCH', `${path}/issues/comments/${id}`, { body })
    },
  }
}

/** Whose token it is, as GitHub and Gitea say it. */
export async function tokenLogin(api: GitApi): Promise<string> {
  return String(record((await api.get('/user')).json()).login ?? '')
}

/** Metadata key with the number of the change request. */
const numberKey = 'change_request'

function numberOf({ event: { metadata } }: Notification): number {
  const text = Object.hasOwn(metadata, numberKey) ? metadata[numberKey] : undefined
  if (text === undefined) throw new Error(`missing "${numberKey}" metadata key`)
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new Error(`invalid "${numberKey}" metadata value ${JSON.stringify(text)}: it must be a number`)
}

function keyOf({ providerUid }: Target, { involvedObject }: Event): string {
  return `${providerUid}/${involvedObject.kind}/${involvedObject.namespace}/${involvedObject.name}`
}

/** Source: formatMarkdownPost of notification-controller. */
export function commentText(event: Event): string {
  const { kind, namespace, name } = event.involvedObject
  const mark = event.severity === 'error' ? '⚠️' : 'ℹ️'
  const lines = Object.keys(event.metadata)
    .filter((key) => key !== numberKey)
    .sort()
    .map((key) => `* \`${key}\`: ${quoted(event.metadata[key] ?? '')}\n`)
  return `## Flux Status\n\n${mark} ${kind}/${namespace}/${name}\n\n${quoted(event.message)}\n\nMetadata:\n${lines.join('')}`
}

/** With something invisible in between, so that nobody is called, and no line is a command such as GitLab's `/approve`. */
function quoted(text: string): string {
  return text.replace(/(?<!\w)@(?=\w)/g, '@\u200b').replace(/^([ \t]*)\//gm, '$1\u200b/')
}
