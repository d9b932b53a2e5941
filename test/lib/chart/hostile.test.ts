/** Charts that mean harm: each gives a clear error or Helm's own result, soon, in a process of bounded memory. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { type HelmRequest, templateRequest } from '../../conformance/helm-cases/request.ts'
import { type RawEntry, rawArchive } from '../tarball/archives.ts'

interface Outcome {
  readonly ok: boolean
  readonly error?: string
  readonly output?: string
  /** Nothing was added to what all objects have. */
  readonly isClean: boolean
}

/** Long, because it counts for busy machines too: what has no bound takes for ever. */
const TIMEOUT_MS = 120_000
vi.setConfig({ testTimeout: TIMEOUT_MS + 10_000 })
const LIMITS = /more text than is allowed|more steps than is allowed|nest(?:s|ed) (?:too deeply|more deeply than is allowed)/

/** One process for all: what it survives, it has to give back. */
let child: ChildProcess | undefined

afterAll(() => void child?.kill('SIGKILL'))

/** A process that runs out of memory crashes; one that takes too long is ended. */
async function bounded(request: HelmRequest | object, archive?: Uint8Array): Promise<Outcome> {
  child ??= started()
  const running = child
  const cancel = new AbortController()
  const signal = AbortSignal.any([cancel.signal, AbortSignal.timeout(TIMEOUT_MS)])
  running.send({ request, archive })
  const answered = once(running, 'message', { signal }).then(([outcome]) => outcome)
  const ended = once(running, 'exit', { signal }).then(([code, by]) => ({
    ok: false,
    isClean: false,
    error: `CRASH ${code ?? by}`,
  }))
  try {
    const outcome = await Promise.race([answered, ended])
    if (running.exitCode !== null || running.signalCode !== null) child = undefined
    return outcome
  } catch (error) {
    running.kill('SIGKILL')
    child = undefined
    throw error
  } finally {
    cancel.abort()
    await Promise.allSettled([answered, ended])
  }
}

function started(): ChildProcess {
  return fork(new URL('./hostile-worker.ts', import.meta.url), {
    execArgv: ['--max-old-space-size=512'],
    serialization: 'advanced',
    stdio: 'ignore',
  })
}

function template(text: string, values = ''): Promise<Outcome> {
  return bounded(templateRequest(text, { values }))
}

function chart(files: Readonly<Record<string, string>>): Promise<Outcome> {
  return bounded({
    op: 'render',
    chart: { files: { 'Chart.yaml': 'apiVersion: v2\nname: app\nversion: 0.1.0\n', ...files } },
    values: [],
    release: { name: 'rel', namespace: 'ns' },
    options: { kubeVersion: '1.34.0' },
  })
}

const doubled = (start: string, step: string) => `{{ $x := ${start} }}{{ range 64 }}{{ $x = ${step} }}{{ end }}{{ len $x }}`
const nested = '{{ $d := dict "a" 1 }}{{ range 60 }}{{ $d = dict "a" $d "b" $d }}{{ end }}'
const endless = '{{ $d := dict }}{{ $_ := set $d "self" $d }}'

describe('what never ends', () => {
  it.each([
    ['a template that includes itself', '{{ define "x" }}{{ include "x" . }}{{ end }}{{ include "x" . }}'],
    ['a template that calls itself', '{{ define "x" }}{{ template "x" . }}{{ end }}{{ template "x" . }}'],
    [
      'two templates that include each other',
      '{{ define "x" }}{{ include "y" . }}{{ end }}{{ define "y" }}{{ include "x" . }}{{ end }}{{ include "x" . }}',
    ],
    ['a range over a huge number', '{{ range 9000000000000000000 }}{{ end }}'],
    ['ranges inside of ranges', '{{ range 100000 }}{{ range 100000 }}{{ range 100000 }}{{ end }}{{ end }}{{ end }}'],
    [
      'a template that doubles its calls',
      '{{ define "x" }}{{ if lt (len .) 60 }}{{ include "x" (printf "%sa" .) }}{{ include "x" (printf "%sb" .) }}{{ end }}{{ end }}{{ include "x" "" }}',
    ],
    ['until', '{{ until 2000000000 | len }}'],
    ['untilStep', '{{ untilStep 0 9223372036854775807 1 | len }}'],
    ['seq', '{{ seq 1 2000000000 | len }}'],
    ['passwords in a loop', '{{ range 100000 }}{{ bcrypt "x" }}{{ end }}'],
    ['derived passwords in a loop', '{{ range 100000 }}{{ derivePassword 1 "long" "a" "b" "c" }}{{ end }}'],
    ['keys in a loop', '{{ range 100000 }}{{ genPrivateKey "rsa" }}{{ end }}'],
    ['a dict that holds itself, as YAML', `${endless}{{ toYaml $d }}`],
    ['a dict that holds itself, as JSON', `${endless}{{ toJson $d }}`],
    ['a dict that holds itself, as TOML', `${endless}{{ toToml $d }}`],
    ['a dict that holds itself, printed', `${endless}{{ $d }}`],
    ['a dict that holds itself, with printf', `${endless}{{ printf "%#v" $d }}`],
    ['a dict that holds itself, copied', `${endless}{{ deepCopy $d }}`],
    ['a dict that holds itself, merged', `${endless}{{ $e := dict }}{{ $_ := set $e "self" $e }}{{ merge $d $e }}`],
    ['dicts that hold themselves, compared', `${endless}{{ $e := dict }}{{ $_ := set $e "self" $e }}{{ deepEqual $d $e }}`],
  ])('%s', async (_, text) => {
    const { ok, error, isClean } = await template(text)
    expect({ ok, isClean }).toEqual({ ok: false, isClean: true })
    expect(error).toMatch(new RegExp(`${LIMITS.source}|unable to execute template|maximum template depth|stack|cycle|depth`))
  })

  it('text that evaluates itself', async () => {
    const { error } = await template('{{ tpl .Values.t . }}', "t: '{{ tpl .Values.t . }}'\n")
    expect(error).toMatch(LIMITS)
  })
})

describe('what grows without end', () => {
  it.each([
    ['repeat', '{{ repeat 2000000000 "x" | len }}'],
    ['widths', '{{ range 100000 }}{{ printf "%1000000d" 1 }}{{ end }}'],
    ['precisions', '{{ range 100000 }}{{ printf "%.1000000f" 1.5 }}{{ end }}'],
    ['nindent', '{{ nindent 2000000000 "a" | len }}'],
    ['indent of many lines', '{{ indent 100000 (repeat 100000 "\\n") | len }}'],
    ['replace', '{{ replace "" (repeat 100000 "y") (repeat 100000 "x") | len }}'],
    ['a regular expression that puts in', '{{ regexReplaceAll "" (repeat 100000 "x") (repeat 100000 "y") | len }}'],
    ['join', '{{ join (repeat 100000 "y") (until 100000) | len }}'],
    ['wrapWith', '{{ wrapWith 1 (repeat 100000 "y") (repeat 100000 "a ") | len }}'],
    ['print', doubled('"x"', 'print $x $x')],
    ['printf', doubled('"x"', 'printf "%s%s" $x $x')],
    ['cat', doubled('"x"', 'cat $x $x')],
    ['quote', doubled('"\\""', 'quote $x')],
    ['toJson', doubled('"\\""', 'toJson $x')],
    ['b64enc', `{{ $x := "xxxx" }}{{ range 500 }}{{ $x = b64enc $x }}{{ end }}{{ len $x }}`],
    ['include', `{{ define "d" }}{{ . }}{{ . }}{{ end }}${doubled('"x"', 'include "d" $x')}`],
    ['tpl', doubled('"x"', 'tpl "{{ . }}{{ . }}" $x')],
    ['concat', doubled('(list 1)', 'concat $x $x')],
    ['append in a loop', '{{ $x := list }}{{ range 1000000 }}{{ $x = append $x 1 }}{{ end }}'],
    ['splitList', '{{ range 1000 }}{{ $_ := splitList "" (repeat 1000000 "x") }}{{ end }}'],
    ['chunk', '{{ range 1000 }}{{ $_ := chunk 1 (until 1000000) }}{{ end }}'],
    ['lists inside of lists', `${nested}{{ toYaml $d | len }}`],
    ['lists inside of lists, as JSON', `${nested}{{ toJson $d | len }}`],
    ['lists inside of lists, printed', `${nested}{{ $d }}`],
    ['lists inside of lists, copied', `${nested}{{ deepCopy $d | len }}`],
    ['lists inside of lists, compared', `${nested}{{ $e := $d }}{{ $d = deepCopy (dict "a" $d) }}`],
    ['much output in small parts', '{{ range 100000000 }}x{{ end }}'],
    [
      'output',
      '{{ range 1000000 }}{{ "this line is a little longer than it would have to be, and it is printed often, so that it grows" }}{{ "this line is a little longer than it would have to be, and it is printed often, so that it grows" }}{{ "this line is a little longer than it would have to be, and it is printed often, so that it grows" }}{{ end }}',
    ],
  ])('%s', async (_, text) => {
    const { ok, error, isClean } = await template(text)
    expect({ ok, isClean }).toEqual({ ok: false, isClean: true })
    expect(error).toMatch(LIMITS)
  })
})

it('a number of repetitions that overflows', async () => {
  const { error } = await template('{{ repeat 9223372036854775807 "xy" | len }}')
  expect(error).toMatch(/error calling repeat: strings: Repeat output length overflow$/)
})

describe('what takes long to match', () => {
  it.each([
    ['nested repetition', '{{ regexMatch "^(a*)*$" (print (repeat 20000 "a") "b") }}', 'false'],
    ['alternatives', '{{ regexMatch "^(a|a)*$" (print (repeat 20000 "a") "b") }}', 'false'],
    ['many optional letters', '{{ regexMatch (print (repeat 500 "a?") (repeat 500 "a")) (repeat 500 "a") }}', 'true'],
  ])('%s', async (_, text, output) => {
    expect(await template(text)).toEqual({ ok: true, output, isClean: true })
  })

  it.each([
    ['counts inside of counts', '{{ regexMatch "((a{100}){100}){100}" "a" }}'],
    ['a long expression with classes', '{{ regexMatch (repeat 100000 "[\\\\pL\\\\pN]") "a" }}'],
  ])('%s', async (_, text) => {
    const { ok, error = '' } = await template(text)
    expect(ok ? '' : error).not.toMatch(/heap|memory/)
  })
})

describe('what is nested too deeply', () => {
  const depth = 100_000
  it.each([
    ['values', { 'values.yaml': `a: ${'['.repeat(depth)}${']'.repeat(depth)}\n` }],
    ['values in blocks', { 'values.yaml': `a:\n  ${'- '.repeat(depth)}x\n` }],
    ['a schema', { 'values.schema.json': `${'{"not":'.repeat(depth)}{}${'}'.repeat(depth)}` }],
    ['parentheses of a template', { 'templates/a.yaml': `{{ ${'('.repeat(depth)}1${')'.repeat(depth)} }}` }],
    ['conditions of a template', { 'templates/a.yaml': '{{ if 1 }}'.repeat(depth) + '{{ end }}'.repeat(depth) }],
    ['rendered YAML', { 'templates/a.yaml': `a: {{ repeat ${depth} "[" }}{{ repeat ${depth} "]" }}` }],
  ])('%s', async (_, files) => {
    const { ok, error, isClean } = await chart(files)
    expect({ ok, isClean }).toEqual({ ok: false, isClean: true })
    expect(error).toMatch(/deep|depth|nest|exceeded/)
  })

  it.each([
    ['fromYaml', `{{ fromYaml (print "a: " (repeat ${depth} "[") (repeat ${depth} "]")) | len }}`],
    ['fromJson', `{{ fromJson (print "{\\"a\\": " (repeat ${depth} "[") (repeat ${depth} "]") "}") | len }}`],
    ['fromToml', `{{ fromToml (print "a = " (repeat ${depth} "[") (repeat ${depth} "]")) | len }}`],
  ])('%s answers with an error', async (_, text) => {
    const { ok, error } = await template(text)
    if (!ok) expect(error).toMatch(LIMITS)
  })
})

describe('aliases that multiply', () => {
  const levels = Array.from({ length: 12 }, (_, i) => `b${i + 1}: &b${i + 1} [${Array(9).fill(`*b${i}`).join(', ')}]\n`)
  const bomb = `b0: &b0 [x, x, x]\n${levels.join('')}`

  it.each([
    ['values', { 'values.yaml': bomb }],
    ['the description', { 'Chart.yaml': `apiVersion: v2\nname: app\nversion: 0.1.0\n${bomb}` }],
    ['a rendered object', { 'templates/a.yaml': bomb }],
  ])('in %s', async (_, files) => {
    const { ok, error } = await chart(files)
    expect(ok).toBe(false)
    expect(error).toMatch(/excessive aliasing/)
  })

  it('in fromYaml', async () => {
    const { output } = await bounded(templateRequest('{{ .Files.Get "b" | fromYaml }}', { files: { b: bomb } }))
    expect(output).toMatch(/^map\[Error:.*excessive aliasing/)
  })
})

describe('packages', () => {
  const description = { path: 'app/Chart.yaml', body: 'apiVersion: v2\nname: app\nversion: 0.1.0\n' }
  const template = { path: 'app/templates/a.yaml', body: 'a: {{ .Files.Get "link" | quote }}\n' }

  // Packages are kept by their path.
  let packages = 0
  const nextPackage = () => `/${packages++}.tgz`

  function packaged(entries: readonly RawEntry[]): Promise<Outcome> {
    const request = {
      op: 'render',
      chart: { path: nextPackage() },
      values: [],
      release: { name: 'rel', namespace: 'ns' },
      options: { kubeVersion: '1.34.0' },
    }
    return bounded(request, rawArchive(...entries))
  }

  it.each([
    [
      'a path that leads out',
      [{ path: 'app/../../x', body: 'x' }],
      'unable to load chart archive: chart illegally references parent directory',
    ],
    [
      'an absolute path',
      [{ path: 'app//etc/x', body: 'x' }],
      'unable to load chart archive: chart illegally contains absolute paths',
    ],
    [
      'a path of Windows',
      [{ path: 'app\\..\\..\\x', body: 'x' }],
      'unable to load chart archive: chart illegally references parent directory',
    ],
    ['a drive', [{ path: 'app/c:/x', body: 'x' }], 'unable to load chart archive: chart contains illegally named files'],
    [
      'a description that is not in a folder',
      [{ path: 'Chart.yaml', body: 'x' }],
      'unable to load chart archive: chart illegally contains content outside the base directory: "Chart.yaml"',
    ],
  ] satisfies [string, RawEntry[], string][])('%s', async (_, entries, error) => {
    expect(await packaged([description, ...entries])).toEqual({ ok: false, error, isClean: true })
  })

  it('a link is a file without content', async () => {
    const link = { path: 'app/link', type: 'SymbolicLink', linkpath: '/etc/passwd' } as const
    const { manifests } = (await packaged([description, template, link])) as Outcome & { manifests?: string }
    expect(manifests).toBe('---\n# Source: app/templates/a.yaml\na: ""\n')
  })

  it('more than 100 MiB, unpacked', async () => {
    const large = { path: 'app/large', body: Buffer.alloc(110 * 2 ** 20) }
    const { ok, error } = await packaged([description, large])
    expect(ok).toBe(false)
    expect(error).toMatch(/decompressed chart is larger than the maximum size 104857600/)
  })

  it('packages inside of packages', async () => {
    let inner = rawArchive(description)
    for (let i = 0; i < 200; i++) inner = rawArchive(description, { path: 'app/charts/app.tgz', body: inner })
    const request = {
      op: 'render',
      chart: { path: nextPackage() },
      values: [],
      release: { name: 'rel', namespace: 'ns' },
      options: { kubeVersion: '1.34.0' },
    }
    const { ok, error } = await bounded(request, inner)
    if (!ok) expect(error).toMatch(/too many charts inside each other$/)
  })
})
