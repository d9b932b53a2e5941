/** TOML as Helm's functions print and read it: BurntSushi/toml, by whose rules and words this goes. */

export { encodeToml, TomlPanic } from './toml-encode.ts'
export { decodeToml, type TomlEnvironment } from './toml-parse.ts'
