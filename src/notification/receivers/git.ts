/** Git hosts. */
import { accepted, assertEvent, assertSecret, type Check, signedPayload } from './check.ts'

/** Source: docs.github.com, "Validating webhook deliveries". */
export const github: Check = signed('x-github-event')

/** Cloud and Data Center sign as GitHub does. Source: support.atlassian.com, "Manage webhooks". */
export const bitbucket: Check = signed('x-event-key')

function signed(eventHeader: string): Check {
  return ({ call, receiver, token }) => {
    const payload = signedPayload(call, token)
    const event = call.headers.get(eventHeader) ?? ''
    assertEvent(receiver, event)
    return accepted(call, { payload, about: { event } })
  }
}

/** Source: docs.gitlab.com, "Webhooks". */
export const gitlab: Check = ({ call, receiver, token }) => {
  assertSecret(call.headers.get('x-gitlab-token'), token, 'the X-Gitlab-Token header value')
  const event = call.headers.get('x-gitlab-event') ?? ''
  assertEvent(receiver, event)
  return accepted(call, { about: { event } })
}
