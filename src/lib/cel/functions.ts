/**
 * Functions of Flux's CEL environment that cel-js does not have: the rest of cel-go's string and list extensions, sets and base64, and
 * `matches` by RE2's rules, because a pattern comes from a user. Source: github.com/google/cel-go/ext.
 */
import { type ASTNode, type Environment, Optional } from '@marcbachmann/cel-js'
import { RE2JS } from 're2js'

/** Namespaces: `sets.contains(…)` is a method of a constant. */
class Sets {}
class Base64 {}
class Strings {}

export function registerFunctions(environment: Environment): void {
  environment
    .registerFunction('string.charAt(int): string', (text: string, at: bigint) => charAt(text, at))
    .registerFunction('string.replace(string, string): string', (text: string, from: string, to: string) =>
      text.split(from).join(to),
    )
    .registerFunction('string.replace(string, string, int): string', (text: string, from: string, to: string, count: bigint) =>
      replaceSome(text, { from, to, count: Number(count) }),
    )
    .registerFunction('string.reverse(): string', (text: string) => [...text].reverse().join(''))
    .registerFunction(`string.${matchesName}(string): bool`, matches)
    .registerFunction('matches(string, string): bool', matches)
    .registerFunction('list.first(): optional', (list: List) => (list.length > 0 ? Optional.of(list[0]) : Optional.none()))
    .registerFunction('list.last(): optional', (list: List) => (list.length > 0 ? Optional.of(list.at(-1)) : Optional.none()))
    .registerFunction('string.format(list): string', (text: string, values: readonly unknown[]) => format(text, values))

  environment
    .registerType('Strings', Strings)
    .registerConstant('strings', 'Strings', new Strings())
    .registerFunction('Strings.quote(string): string', (_: Strings, text: string) => JSON.stringify(text))

  environment
    .registerType('Sets', Sets)
    .registerConstant('sets', 'Sets', new Sets())
    .registerFunction('Sets.contains(list, list): bool', (_: Sets, list: List, sub: List) => containsAll(list, sub))
    .registerFunction('Sets.equivalent(list, list): bool', (_: Sets, a: List, b: List) => containsAll(a, b) && containsAll(b, a))
    .registerFunction('Sets.intersects(list, list): bool', (_: Sets, a: List, b: List) => b.some((item) => contains(a, item)))

  environment
    .registerType('Base64', Base64)
    .registerConstant('base64', 'Base64', new Base64())
    .registerFunction('Base64.encode(bytes): string', (_: Base64, bytes: Uint8Array) => Buffer.from(bytes).toString('base64'))
    .registerFunction('Base64.decode(string): bytes', (_: Base64, text: string) => new Uint8Array(Buffer.from(text, 'base64')))
}

/** cel-js's own `matches` backtracks and cannot be replaced, so calls of it are given another name. */
const matchesName = 'matchesRe2'

/** The syntax tree with every call of `text.matches(pattern)` made one of ours, in place. */
export function useOwnMatches(node: ASTNode): ASTNode {
  const nodes: unknown[] = [node]
  for (const one of nodes) {
    if (Array.isArray(one)) nodes.push(...one)
    if (!isNode(one)) continue
    if (one.op === 'rcall' && Array.isArray(one.args) && one.args[0] === 'matches') one.args[0] = matchesName
    nodes.push(one.args)
  }
  return node
}

function isNode(value: unknown): value is { op: unknown; args: unknown } {
  return typeof value === 'object' && value !== null && 'op' in value && 'args' in value
}

/** Whether the pattern is found anywhere in the text, in linear time. @throws Error for a pattern that RE2 does not take. */
function matches(text: string, pattern: string): boolean {
  return RE2JS.compile(pattern).matcher(text).find()
}

type List = readonly unknown[]

function containsAll(list: List, sub: List): boolean {
  return sub.every((item) => contains(list, item))
}

function contains(list: List, item: unknown): boolean {
  const sought = canonical(item)
  return list.some((one) => canonical(one) === sought)
}

/** Equal values have the same text; 1 and 1.0 are equal in CEL. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? Number(inner) : inner))
}

function charAt(text: string, at: bigint): string {
  const characters = [...text]
  if (at < 0n || at > BigInt(characters.length)) throw new Error(`index out of range: ${at}`)
  return characters[Number(at)] ?? ''
}

function replaceSome(text: string, { from, to, count }: { from: string; to: string; count: number }): string {
  const parts = text.split(from)
  if (count < 0 || count >= parts.length - 1) return parts.join(to)
  return [parts.slice(0, count + 1).join(to), ...parts.slice(count + 1)].join(from)
}

/** `%s %d %f %e %b %x %X %o %%`, with a precision for `%f` and `%e`. */
function format(text: string, values: readonly unknown[]): string {
  let next = 0
  return text.replace(/%(?:\.(\d{1,2}))?(.)?/gs, (_, precision: string | undefined, verb = '') => {
    if (verb === '%') return '%'
    if (next >= values.length) throw new Error(`index ${next} out of range`)
    return formatValue(values[next++], verb, precision === undefined ? 6 : Number(precision))
  })
}

function formatValue(value: unknown, verb: string, precision: number): string {
  switch (verb) {
    case 's':
      return plainText(value)
    case 'd':
      return String(value)
    case 'f':
      return Number(value).toFixed(precision)
    case 'e':
      return Number(value)
        .toExponential(precision)
        .replace(/e([+-])(\d)$/, 'e$10$2')
    case 'b':
      return radix(value, 2)
    case 'o':
      return radix(value, 8)
    case 'x':
      return radix(value, 16)
    case 'X':
      return radix(value, 16).toUpperCase()
    default:
      throw new Error(`could not parse formatting clause: unrecognized formatting clause "${verb}"`)
  }
}

function radix(value: unknown, base: number): string {
  if (typeof value === 'boolean') return value ? '1' : '0'
  if (typeof value === 'bigint') return value.toString(base)
  if (base === 16 && typeof value === 'string') return Buffer.from(value).toString('hex')
  if (base === 16 && value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  throw new Error(`only integers can be formatted in base ${base}`)
}

function plainText(value: unknown): string {
  if (typeof value === 'string') return value
  if (value === null || typeof value !== 'object') return String(value)
  if (Array.isArray(value)) return `[${value.map(plainText).join(', ')}]`
  return `{${Object.entries(value)
    .map(([key, inner]) => `${key}: ${plainText(inner)}`)
    .join(', ')}}`
}
