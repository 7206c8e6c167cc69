/** A call of the explorer: what a reader filled in, as the method and request that every client makes of it. */
import type { Method } from "@lastmile/client";
import type { Binding, Rpc } from "./descriptors.ts";
import type { Operation } from "./openapi.ts";

export interface Filled {
  /** Values of the path and query, by the parameter's name; what is empty is left out. */
  parameters: { readonly [name: string]: string };
  /** JSON; nothing where the operation takes none. */
  body: unknown;
}

export type Json = { [name: string]: unknown };

/** How the method is called. Without descriptors the binding is guessed: the names of fields in the path are not in it. */
export function bindingOf(operation: Operation, rpcs: readonly Rpc[]): Binding {
  const { method: verb, path, body } = operation;
  const known = rpcs.find(({ service, method }) => `${service}/${method}` === operation.rpc);
  const places = (template: string): string => template.replaceAll(/\{[^}]*\}/g, "{}");
  const bound = known?.bindings.find((each) => each.verb === verb && places(each.template) === places(path));
  return bound ?? { verb, template: path, body: body.length > 0 ? "*" : "" };
}

export function kindOf(operation: Operation, rpcs: readonly Rpc[]): Method["kind"] {
  const known = rpcs.find(({ service, method }) => `${service}/${method}` === operation.rpc);
  return known?.kind ?? (operation.stream ? "server" : "unary");
}

/** The request message: what is in the path, in the query and in the body are parts of one. */
export function requestOf(operation: Operation, binding: Binding, filled: Filled): Json {
  const { body } = binding;
  let request: Json = {};
  if (filled.body !== undefined && body) request = body === "*" ? { ...(filled.body as Json) } : { [body]: filled.body };
  const inPath = [...binding.template.matchAll(/\{([^}=]+)[^}]*\}/g)].map(([, name]) => name!);
  let place = 0;
  for (const { name, in: where, schema } of operation.parameters) {
    if (where !== "path" && where !== "query") continue;
    const field = where === "path" ? (inPath[place++] ?? name) : name;
    const text = filled.parameters[name] ?? "";
    if (text && !NOT_OF_THE_MESSAGE.has(name)) put(request, field, valueOf(text, schema?.type));
  }
  return request;
}

/** Parameters that are the edge's own. */
const NOT_OF_THE_MESSAGE = new Set(["heartbeat", "ticket"]);

/** Parameters that a reader may fill in. */
export function parametersOf(operation: Operation): Operation["parameters"] {
  return operation.parameters.filter(({ name, in: where }) => where !== "header" && !NOT_OF_THE_MESSAGE.has(name));
}

function put(request: Json, path: string, value: unknown): void {
  const names = path.split(".");
  const last = names.pop()!;
  let target = request;
  for (const name of names) {
    target[name] = { ...(target[name] as Json | undefined) };
    target = target[name] as Json;
  }
  target[last] = value;
}

function valueOf(text: string, type: string | string[] | undefined): unknown {
  const types = [type].flat();
  if (types.includes("array")) return text.split(",").map((part) => part.trim());
  if (types.includes("integer") || types.includes("number")) return Number(text);
  if (types.includes("boolean")) return text === "true";
  return text;
}

/** What `createClient` of a generated service would have for it. */
export function tableOf(operation: Operation, binding: Binding, kind: Method["kind"]): Method {
  const { verb, template, body } = binding;
  const http = [verb, template, ...(body ? [body] : [])];
  const own = template === `/${operation.rpc}`;
  const stream = operation.stream?.tier === "durable" ? { stream: { resume: "cursor", beginning: ["last"] } } : {};
  const name = operation.rpc.split("/")[1] ?? operation.rpc;
  return { name, kind, ...(!own && { http }), ...(verb === "GET" && { safe: true }), ...stream };
}
