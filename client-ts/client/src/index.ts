/** Typed calls and streams over one link to an edge. */
export type * from "./core/method.ts";
export type * from "./core/values.ts";
