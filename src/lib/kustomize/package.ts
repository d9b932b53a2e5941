/** The engine as others install it (`sluice/kustomize`): with the trees that it reads and the errors that it throws. */

export { diskTree } from '../disk-tree.ts'
export { BuildError, ParseError } from '../errors.ts'
export { memoryTree, type Tree, type TreeEntry } from '../tree.ts'
export * from './index.ts'
