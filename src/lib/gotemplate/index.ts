/**
 * Go's text/template, as Go 1.26 has it, over values that keep Go's types (value.ts). A `TemplateSet` parses texts and executes them;
 * the functions that templates may call are handed in: `formatFunctions`, `sprigFunctions` and one's own made with `func`.
 * Trees are never changed and may be shared by any number of sets and executions.
 */

export { Budget, type Environment, LimitError, type Limits } from './environment.ts'
export { formatFunctions } from './format-functions.ts'
export { parseTemplate, type Tree } from './parse.ts'
export { type TemplateOptions, TemplateSet } from './template.ts'
export { TemplateError } from './template-error.ts'
export { isTrue } from './truth.ts'
