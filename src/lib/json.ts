/** JSON values as every layer sees them, and what plain JavaScript lacks for them. */

/** A JSON value. Integers beyond 2^53 are `bigint`, so that nothing is rounded between Git and the cluster. */
export type Json = null | boolean | number | bigint | string | Json[] | JsonObject

/** A JSON object. Keys may come from users: never look one up without `Object.hasOwn`, unless the prototype is null. */
export interface JsonObject {
  [key: string]: Json
}
