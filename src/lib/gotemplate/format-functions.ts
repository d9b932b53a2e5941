/** The predeclared functions of text/template that print: print, printf, println, html, js, urlquery. */

import type { Budget, Environment } from './environment.ts'
import { htmlEscape, jsEscape, urlQueryEscape } from './escape.ts'
import { printable, sprint, sprintf, sprintln } from './format.ts'
import { type Func, func, p, variadic } from './func.ts'
import type { Value } from './value.ts'

/** By name. What they print is charged to the environment's budget. */
export function formatFunctions({ budget }: Environment): ReadonlyMap<string, Func> {
  return new Map([
    ['print', func([variadic(p.any)], p.string, (args) => sprint(args, budget))],
    ['println', func([variadic(p.any)], p.string, (args) => sprintln(args, budget))],
    ['printf', func([p.string, variadic(p.any)], p.string, (format, args) => sprintf(format, args, budget))],
    ['html', escaper(htmlEscape, budget)],
    ['js', escaper(jsEscape, budget)],
    ['urlquery', escaper(urlQueryEscape, budget)],
  ])
}

function escaper(escapeText: (text: string) => string, budget: Budget): Func {
  return func([variadic(p.any)], p.string, (args) => {
    const text = escapeText(joined(args, budget))
    budget.text(text.length)
    return text
  })
}

/** A string as it is, anything else as print shows it. Source: text/template, evalArgs. */
function joined(args: readonly Value[], budget: Budget): string {
  const [first] = args
  if (args.length === 1 && typeof first === 'string') return first
  return sprint(args.map(printable), budget)
}
