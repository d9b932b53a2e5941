/** The engine as others install it (`sluice/helm`): charts, Go's templates with sprig, the trees that charts are read from, and what is thrown. */

export { diskTree } from '../disk-tree.ts'
export { BuildError, ParseError } from '../errors.ts'
export { formatFunctions } from '../gotemplate/format-functions.ts'
export { type Func, FuncError, func, p, variadic } from '../gotemplate/func.ts'
export { type Limits, TemplateError, type TemplateOptions, TemplateSet } from '../gotemplate/index.ts'
export { sprigFunctions } from '../gotemplate/sprig/index.ts'
export type { Dict, Value } from '../gotemplate/value.ts'
export { memoryTree, type Tree, type TreeEntry } from '../tree.ts'
export * from './index.ts'
