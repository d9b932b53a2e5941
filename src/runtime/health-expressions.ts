/** `spec.healthCheckExprs`: when objects of other people's kinds are ready, in CEL. */
import type { healthCheckExpression } from '../api/fragments.ts'
import { gvkOf, type KubeObject } from '../api/object.ts'
import type { Infer } from '../api/schema.ts'
import type { Health } from '../kube/applier.ts'
import { type Condition, compileCondition } from '../lib/cel/index.ts'
import { messageOf } from '../lib/errors.ts'
import { Stalled } from './reconcile.ts'

type HealthCheckExpression = Infer<typeof healthCheckExpression>

/** One expression and the state of an object for which it holds. */
interface Step {
  readonly status: Health['status']
  readonly condition: Condition
}

/**
 * The rule of the spec: the health of an object by its expressions, undefined for objects that have none.
 * @throws Stalled InvalidCELExpression. Source: github.com/fluxcd/pkg/runtime/cel status_reader.go, status_evaluator.go.
 */
export function healthRule(
  expressions: readonly HealthCheckExpression[] = [],
): ((object: KubeObject) => Health | undefined) | undefined {
  if (expressions.length === 0) return undefined
  const steps = new Map<string, readonly Step[]>()
  for (const [index, expression] of expressions.entries()) {
    const groupKind = groupKindText(expression)
    if (steps.has(groupKind)) {
      throw stalled(`duplicate custom health check for GroupKind ${groupKind} at healthchecks[${index}]`)
    }
    steps.set(groupKind, compile(expression, index))
  }
  return (object) => {
    const own = steps.get(groupKindText(object)) ?? steps.get(groupKindText({ apiVersion: object.apiVersion }))
    return own && evaluate(own, object)
  }
}

/** In the order that decides: in progress, failed, current. */
function compile(expression: HealthCheckExpression, index: number): Step[] {
  const sources = [
    ['InProgress', 'InProgress', expression.inProgress],
    ['Failed', 'Failed', expression.failed],
    ['Current', 'Current', expression.current],
  ] as const
  return sources.flatMap(([name, status, text]) => {
    if (!text) return []
    try {
      return [{ status, condition: compileCondition(text) }]
    } catch (error) {
      const problem = `failed to parse the expression ${name}: ${messageOf(error)}`
      throw stalled(`failed to create custom status evaluator for healthchecks[${index}]: ${problem}`)
    }
  })
}

function evaluate(steps: readonly Step[], object: KubeObject): Health {
  if (isBehind(object)) return { status: 'InProgress', message: 'the controller has not seen the last change yet' }
  try {
    const step = steps.find(({ condition }) => condition.holds(object))
    return { status: step?.status ?? 'InProgress', message: '' }
  } catch (error) {
    return { status: 'Unknown', message: messageOf(error) }
  }
}

function isBehind({ metadata, status }: KubeObject): boolean {
  const observed = typeof status === 'object' && status !== null && 'observedGeneration' in status && status.observedGeneration
  return typeof observed === 'number' && metadata.generation !== undefined && observed !== metadata.generation
}

/** `<kind>.<group>`; without a kind, every kind of the group. */
function groupKindText({ apiVersion, kind = '' }: { readonly apiVersion: string; readonly kind?: string | undefined }): string {
  const { group } = gvkOf({ apiVersion, kind })
  return group === '' ? kind : `${kind}.${group}`
}

function stalled(problem: string): Stalled {
  return new Stalled('InvalidCELExpression', `Reconciliation failed terminally due to configuration error: ${problem}`)
}
