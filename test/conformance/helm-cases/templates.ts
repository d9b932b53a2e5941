/** Random templates over the whole language. */

import type { Random } from '../random.ts'
import { argument, pipeline, type Scope } from './expressions.ts'

const TEXT = ['', '', ' ', '\n', 'x', ' a ', '\n  ', 'é\n', '-', '}', '\t\n ', 'k: ', '"', '{{`{{`}}', '\n\n']
const SUB = '{{ define "t1" }}[{{ . | toJson }}]{{ end }}{{ define "t2" }}{{ .Values.num }}:{{ include "t1" .Values.map }}{{ end }}'

/** The template that is rendered; `t1` and `t2` are defined in a file beside it. */
export function randomTemplate(random: Random): string {
  const scope: Scope = { random, variables: [], isRoot: true }
  const text = (random.chance(0.15) ? define({ ...scope, variables: [] }, TOP) : '') + body(scope, TOP)
  return random.chance(0.03) ? mutated(random, text) : text
}

/** Files that go with it. */
export const TEMPLATES = { 'templates/_sub.tpl': SUB }
export const FILES = { 'a.txt': 'one\ntwo\n', 'dir/b.yaml': 'k: v\n', 'dir/bin': '\u0000\u0001' }

const TOP = { depth: 2, inRange: false }

interface Place {
  readonly depth: number
  readonly inRange: boolean
}

function body(scope: Scope, place: Place): string {
  const inner = { ...scope, variables: [...scope.variables] }
  return scope.random.several(3, () => statement(inner, place)).join('')
}

type Statement = (scope: Scope & { readonly variables: string[] }, place: Place) => string

const action: Statement = (scope) => `${open(scope)}${pipeline(scope)}${close(scope)}`

const declare: Statement = (scope) => {
  const name = `$${scope.random.pick(['v', 'w', 'x1', 'é'])}`
  const text = `${open(scope)}${name} := ${pipeline(scope)}${close(scope)}`
  scope.variables.push(name)
  return text
}

const assign: Statement = (scope) => {
  const name = scope.variables.length > 0 && scope.random.chance(0.9) ? scope.random.pick(scope.variables) : '$undeclared'
  return `${open(scope)}${name} ${scope.random.pick(['=', '=', ':='])} ${pipeline(scope)}${close(scope)}${open(scope)}${name}${close(scope)}`
}

const branch: Statement = (scope, place) => {
  const { random } = scope
  const keyword = random.pick(['if', 'if', 'with'])
  const inside: Scope = keyword === 'with' ? { ...scope, isRoot: false } : scope
  const named = random.chance(0.2) ? '$c := ' : ''
  const then = body(named ? { ...inside, variables: [...inside.variables, '$c'] } : inside, deeper(place))
  const chained = random.chance(0.25)
    ? `${open(scope)}else ${keyword} ${pipeline(scope, 1)}${close(scope)}${body(inside, deeper(place))}`
    : ''
  const otherwise = random.chance(0.4) ? `${open(scope)}else${close(scope)}${body(scope, deeper(place))}` : ''
  return `${open(scope)}${keyword} ${named}${pipeline(scope, 1)}${close(scope)}${then}${chained}${otherwise}${open(scope)}end${close(scope)}`
}

const loop: Statement = (scope, place) => {
  const { random } = scope
  const names = random.pick(['', '', '$i := ', '$k, $e := ', '$_, $e := '])
  const over = random.chance(0.85) ? argument(scope, random.pick(['list', 'list', 'dict', 'small']), 1) : argument(scope, 'bool', 1)
  const variables = [...scope.variables, ...(names.match(/\$\w/g) ?? [])]
  const inside = body({ ...scope, variables, isRoot: false }, { ...deeper(place), inRange: true })
  const otherwise = random.chance(0.3) ? `${open(scope)}else${close(scope)}${body(scope, deeper(place))}` : ''
  return `${open(scope)}range ${names}${over}${close(scope)}${inside}${otherwise}${open(scope)}end${close(scope)}`
}

const jump: Statement = (scope, place) =>
  place.inRange || scope.random.chance(0.05)
    ? `${open(scope)}${scope.random.pick(['break', 'continue'])}${close(scope)}`
    : action(scope, place)

const template: Statement = (scope) => {
  const { random } = scope
  return `${open(scope)}template ${random.pick(['"t1"', '"t2"', '"t1"', '"own"', '"none"'])}${random.pick([' .', ' $', '', ' .Values', ' "x"'])}${close(scope)}`
}

const define: Statement = (scope) => {
  const { random } = scope
  const keyword = random.pick(['define "own"', 'define "t1"', 'block "own" .', 'block "b" .Values', 'define "own"'])
  return `${open(scope)}${keyword}${close(scope)}${body({ random, variables: [], isRoot: random.chance(0.5) }, { depth: 0, inRange: false })}${open(scope)}end${close(scope)}`
}

const comment: Statement = ({ random }) => random.pick(['{{/* c */}}', '{{- /* a\nb */ -}}', '{{- /* c */}}', '{{/* c */ -}}'])

const files: Statement = (scope) => {
  const { random } = scope
  const call = random.pick([
    '.Files.Get "a.txt"',
    '.Files.Get "none"',
    '(.Files.Glob "dir/*").AsConfig',
    '(.Files.Glob "**").AsSecrets',
    'range $.Files.Lines "a.txt"',
    '.Files.GetBytes "dir/bin"',
    'range $p, $_ := .Files.Glob "**/*.yaml"',
    '.Capabilities.APIVersions.Has "v1"',
    '.Release.Service',
    '.Chart.IsRoot',
    '.Chart.Type',
    '.Capabilities.KubeVersion.Version',
    '.Template.BasePath',
    '.Files.Get',
    '.Files.Glob "["',
    '.Files.None "a"',
  ])
  const text = `${open(scope)}${call}${close(scope)}`
  return call.startsWith('range') ? `${text}{{ . }}{{ end }}` : text
}

const plain: Statement = ({ random }) => random.pick(TEXT)

const STATEMENTS: readonly Statement[] = [
  action,
  action,
  action,
  action,
  action,
  plain,
  plain,
  plain,
  declare,
  assign,
  branch,
  branch,
  loop,
  loop,
  jump,
  template,
  comment,
  files,
]
const SIMPLE: readonly Statement[] = [action, action, action, plain, declare, assign, jump, template, comment, files]

function statement(scope: Scope & { readonly variables: string[] }, place: Place): string {
  const chosen = scope.random.pick(place.depth > 0 ? STATEMENTS : SIMPLE)
  return (scope.random.chance(0.4) ? plain(scope, place) : '') + chosen(scope, place)
}

function deeper(place: Place): Place {
  return { ...place, depth: place.depth - 1 }
}

function open({ random }: Scope): string {
  return random.pick(['{{ ', '{{ ', '{{', '{{- ', '{{-  ', '{{\n'])
}

function close({ random }: Scope): string {
  return random.pick([' }}', ' }}', '}}', ' -}}', '  -}}', '\n}}'])
}

const BITS = [
  '{{',
  '}}',
  '{{-',
  '-}}',
  '(',
  ')',
  '|',
  '"',
  '`',
  "'",
  '.',
  '$',
  ' ',
  '\n',
  ':=',
  '=',
  ',',
  '/*',
  '*/',
  'end',
  'else',
  'if',
  'range',
  'define',
  '1',
  '0x',
  '1e',
  '1i',
  '..',
  '.5',
  '\\',
  'é',
  '\u0000',
  '-',
  '+',
  '@',
  '#',
  'nil',
  'true',
  'break',
  'template',
  'block',
  'else if',
  '{{end}}',
  '{{else}}',
  '$x',
  '.a.b',
  "'a'",
  "''",
  '_',
  '[',
  '&',
]

/** A few small changes that likely break the syntax. */
export function mutated(random: Random, text: string): string {
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    const at = random.below(text.length + 1)
    const length = random.chance(0.5) ? random.below(4) : 0
    text = text.slice(0, at) + (random.chance(0.7) ? random.pick(BITS) : '') + text.slice(at + length)
  }
  return text
}
