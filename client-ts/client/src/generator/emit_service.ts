// Writes a service as a table of its methods: what the runtime needs to call them, and their types, which are erased.
import { type DescField, type DescMessage, type DescMethod, type DescService } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { type GeneratedFile, getComments, safeIdentifier } from "@bufbuild/protoplugin";
import { lines, type Types } from "./emit_types.ts";
import { methodName, property } from "./names.ts";
import type { Binding, Options, StreamRule } from "./options.ts";
import { wellKnown } from "./well_known.ts";

const KINDS = { unary: "Unary", server_streaming: "ServerStream", client_streaming: "ClientStream", bidi_streaming: "Bidi" };

export function printService(file: GeneratedFile, service: DescService, types: Types, options: Options): void {
  for (const line of lines(getComments(service).leading, "")) file.print(line);
  file.print("export const ", safeIdentifier(service.name), " = {");
  file.print("  name: ", JSON.stringify(service.typeName), ",");
  file.print("  methods: {");
  for (const method of service.methods) {
    for (const line of lines(getComments(method).leading, "    ")) file.print(line);
    const table = Object.entries(describe(method, options)).map(([key, value]) => `${key}: ${literal(value)}`);
    const types_ = [types.reference(method.input, "sent"), ", ", types.reference(method.output, "received")];
    const snapshot = options.method(options.stream(method)?.snapshot ?? "");
    if (snapshot) types_.push(", ", types.reference(snapshot.output, "received"));
    const kind = types.runtime(KINDS[method.methodKind]);
    file.print("    ", property(methodName(method.name)), ": { ", table.join(", "), " } as ", kind, "<", ...types_, ">,");
  }
  file.print("  },");
  file.print("} as const;");
  file.print();
}

interface Table {
  name: string;
  kind: string;
  http?: string[];
  safe?: true;
  cookies?: true;
  stream?: Record<string, unknown>;
}

function describe(method: DescMethod, options: Options): Table {
  const binding = options.binding(method);
  const rule = options.stream(method);
  const table: Table = { name: method.name, kind: method.methodKind.split("_")[0]! };
  if (binding && isExpressible(method, binding)) table.http = http(method.input, binding);
  const isSafe = method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS || binding?.verb === "GET";
  if (isSafe) table.safe = true;
  if (options.cookies(method)) table.cookies = true;
  if (rule) table.stream = stream(method, rule, options);
  return table;
}

/** Maps, lists of messages and free JSON have no place in a query: such a method is called by its own name. */
function isExpressible(method: DescMethod, binding: Binding): boolean {
  if (method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming") return binding.body === "*";
  if (binding.body === "*") return true;
  const inPath = new Set([...binding.path.matchAll(/\{([\w.]+)/g)].map(([, path]) => path!.split(".")[0]));
  return method.input.fields
    .filter((field) => field.name !== binding.body && !inPath.has(field.name))
    .every((field) => fitsQuery(field, new Set([method.input])));
}

function fitsQuery(field: DescField, seen: Set<DescMessage>): boolean {
  if (field.fieldKind === "map") return false;
  if (!field.message) return true;
  if (field.fieldKind === "list" || seen.has(field.message)) return false;
  const known = wellKnown(field.message);
  if (known) return !/^(Json|Any|Empty)/.test(known.sent);
  return field.message.fields.every((next) => fitsQuery(next, new Set([...seen, field.message!])));
}

function http(input: DescMessage, binding: Binding): string[] {
  const path = binding.path.replace(/\{([\w.]+)/g, (_, names: string) => `{${jsonPath(input, names)}`);
  const body = binding.body === "*" ? "*" : binding.body && jsonPath(input, binding.body);
  return body ? [binding.verb, path, body] : [binding.verb, path];
}

function stream(method: DescMethod, rule: StreamRule, options: Options): Record<string, unknown> {
  const table: Record<string, unknown> = {};
  if (rule.cursor && rule.resume) table.resume = jsonPath(method.input, rule.resume);
  const event = rule.event && eventNames(method.output, rule, options);
  if (event) table.event = event;
  if (rule.beginning.length > 0) table.beginning = rule.beginning.map((name) => jsonPath(method.input, name));
  if (rule.snapshot) table.snapshot = rule.snapshot;
  if (rule.snapshotCursor) table.snapshotCursor = rule.snapshotCursor.split(".").map(camel).join(".");
  return table;
}

/** A field that holds the name, or for a oneof each member's name. */
function eventNames(output: DescMessage, rule: StreamRule, options: Options): string | Record<string, string> {
  const oneof = output.oneofs.find((each) => each.name === rule.event);
  if (!oneof) return jsonPath(output, rule.event);
  const names = oneof.fields.map((field) => [field.jsonName, (field.message && options.event(field.message)) || field.jsonName]);
  return Object.fromEntries(names) as Record<string, string>;
}

/** `user.display_name` as JSON has it. */
function jsonPath(message: DescMessage, path: string): string {
  const names: string[] = [];
  let current: DescMessage | undefined = message;
  for (const name of path.split(".")) {
    const field: DescField | undefined = current?.fields.find((each) => each.name === name || each.jsonName === name);
    names.push(field?.jsonName ?? camel(name));
    current = field?.message;
  }
  return names.join(".");
}

function camel(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, member]) => `${property(key)}: ${literal(member)}`);
  return members.length > 0 ? `{ ${members.join(", ")} }` : "{}";
}
