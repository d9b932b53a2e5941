/**
 * Shell-like variable substitution in text, as Flux does it after a build: `${name}` and bash's operators on it.
 * parse.ts turns text into expansions, evaluate.ts fills them in, operators.ts is the table of operators, glob.ts the patterns of
 * `#` and `%`. Source: github.com/fluxcd/pkg/envsubst (a fork of drone/envsubst), whose deviations from bash are kept.
 */
export { type SubstituteOptions, substitute } from './evaluate.ts'
