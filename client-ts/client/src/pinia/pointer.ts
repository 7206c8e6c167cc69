/** Operations on JSON documents by RFC 6901 pointers: an array is one value. */
import type { JsonObject, JsonValue } from "@lastmile/client";

export interface Op {
  opId: string;
  path: string;
  set?: JsonValue;
  delete?: object;
}

/** What changed: the fewest members that have to be set or deleted. */
export type Change = { path: string; set: JsonValue } | { path: string; delete: object };

export function diff(before: JsonObject, after: JsonObject, path = ""): Change[] {
  return Object.keys({ ...before, ...after }).flatMap((key): Change[] => {
    const [old, now] = [before[key], after[key]];
    const at = `${path}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    if (isObject(old) && isObject(now)) return diff(old, now, at);
    if (JSON.stringify(old) === JSON.stringify(now)) return [];
    return [now === undefined ? { path: at, delete: {} } : { path: at, set: now }];
  });
}

/** The document after an operation; what it leaves alone stays the same object. */
export function apply(document: JsonObject, { path, set }: Pick<Op, "path" | "set">): JsonObject {
  if (path === "") return (set ?? {}) as JsonObject;
  const [key, ...below] = split(path);
  return replace(document, key!, below, set);
}

function replace(object: JsonObject, key: string, below: string[], value: JsonValue | undefined): JsonObject {
  const [next, ...rest] = below;
  if (next !== undefined) {
    const child = object[key];
    return { ...object, [key]: replace(isObject(child) ? child : {}, next, rest, value) };
  }
  if (value !== undefined) return { ...object, [key]: value };
  const { [key]: _, ...others } = object;
  return others;
}

/** The place is this one, or lies in it. */
export function covers(path: string, place: string): boolean {
  return `${place}/`.startsWith(`${path}/`);
}

export function split(path: string): string[] {
  return path.split("/").slice(1).map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
