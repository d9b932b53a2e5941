/** sprig's regular expressions. Source: sprig regex.go. */

import type { Budget, Environment } from '../environment.ts'
import { type Func, FuncError, func, p } from '../func.ts'
import { Slice, stringSlice, strings } from '../value.ts'
import { compile, expander, matchAll, mustCompile, type Pattern, quoteMeta, replaceAll, split } from './pattern.ts'
import { canonical, validText } from './text.ts'

const noStrings = new Slice(stringSlice, [], true)

type Compile = (expression: string, budget: Budget) => Pattern

export function regexFunctions({ budget }: Environment): ReadonlyMap<string, Func> {
  const match = (expression: string, text: string) => compile(expression, budget).isMatch(text, budget)
  const findAll = (compiled: Compile) =>
    func([p.string, p.string, p.int], p.strings, (expression, text, limit) => {
      const matches = matchAll(compiled(expression, budget), text, Number(limit), budget)
      return matches.length === 0 ? noStrings : strings(matches.map(({ start, end }) => text.slice(start, end)))
    })
  const find = (compiled: Compile) =>
    func([p.string, p.string], p.string, (expression, text) => {
      const found = compiled(expression, budget).find(validText(text), 0, budget)
      return found ? text.slice(found.start, found.end) : ''
    })
  const replace = (compiled: Compile) =>
    func([p.string, p.string, p.string], p.string, (expression, text, by) => {
      return canonical(replaceAll(compiled(expression, budget), text, expander(by, text), budget))
    })
  const replaceLiteral = (compiled: Compile) =>
    func([p.string, p.string, p.string], p.string, (expression, text, by) =>
      canonical(replaceAll(compiled(expression, budget), text, () => by, budget)),
    )
  const splitAll = (compiled: Compile) =>
    func([p.string, p.string, p.int], p.strings, (expression, text, limit) => {
      const parts = split(compiled(expression, budget), expression, text, Number(limit), budget)
      return parts ? strings(parts) : noStrings
    })
  return new Map<string, Func>([
    ['regexMatch', func([p.string, p.string], p.bool, (expression, text) => falseOnError(() => match(expression, text)))],
    ['mustRegexMatch', func([p.string, p.string], p.bool, match)],
    ['regexFindAll', findAll(mustCompile)],
    ['mustRegexFindAll', findAll(compile)],
    ['regexFind', find(mustCompile)],
    ['mustRegexFind', find(compile)],
    ['regexReplaceAll', replace(mustCompile)],
    ['mustRegexReplaceAll', replace(compile)],
    ['regexReplaceAllLiteral', replaceLiteral(mustCompile)],
    ['mustRegexReplaceAllLiteral', replaceLiteral(compile)],
    ['regexSplit', splitAll(mustCompile)],
    ['mustRegexSplit', splitAll(compile)],
    ['regexQuoteMeta', func([p.string], p.string, quoteMeta)],
  ])
}

function falseOnError(test: () => boolean): boolean {
  try {
    return test()
  } catch (error) {
    if (error instanceof FuncError) return false
    throw error
  }
}
