/** Turns a method and its input into an HTTP request, as the method's binding says. */
import type { Method } from "./method.ts";

export interface HttpRequest {
  verb: string;
  path: string;
  body?: string | Uint8Array<ArrayBuffer>;
}

type Fields = { [name: string]: unknown };

/** Path from path, query and body; a method without a binding, or whose path lacks a value, goes by its own name. */
export function toHttp(method: Method, input: object = {}, prefix = ""): HttpRequest {
  const [verb = "", template = "", bodyField] = method.http ?? [];
  let rest = input as Fields;
  let isComplete = template !== "";
  const path = template.replace(/\{([^=}]+)(=[^}]*)?\}/g, (_, name: string, pattern?: string) => {
    const value = String(get(rest, name) ?? "");
    isComplete &&= value !== "";
    rest = without(rest, name);
    return (pattern ? value.split("/") : [value]).map(encodeURIComponent).join("/");
  });
  if (!isComplete) return { verb: "POST", path: `${prefix}/${method.name}`, body: toJson(input) };
  if (bodyField === "*") return { verb, path, body: toJson(rest) };
  if (bodyField) return { verb, path: path + query(without(rest, bodyField)), body: toJson(get(rest, bodyField) ?? {}) };
  return { verb, path: path + query(rest) };
}

/** JSON as the edge reads it: 64-bit integers as strings. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) => (typeof each === "bigint" ? `${each}` : each));
}

function get(fields: Fields, path: string): unknown {
  return path.split(".").reduce<unknown>((value, name) => (value as Fields | undefined)?.[name], fields);
}

function without(fields: Fields, path: string): Fields {
  const [name = "", ...below] = path.split(".");
  const { [name]: value, ...rest } = fields;
  return below.length > 0 && value ? { ...rest, [name]: without(value as Fields, below.join(".")) } : rest;
}

function query(fields: Fields): string {
  const pairs = new URLSearchParams();
  const add = (name: string, value: unknown): void => {
    if (value === undefined || value === null) return;
    if (Array.isArray(value)) for (const each of value) add(name, each);
    else if (value instanceof Date) pairs.append(name, value.toJSON());
    else if (typeof value === "object") for (const key in value) add(`${name}.${key}`, (value as Fields)[key]);
    else pairs.append(name, `${value as string}`);
  };
  for (const name in fields) add(name, fields[name]);
  const text = `${pairs}`;
  return text && `?${text}`;
}
