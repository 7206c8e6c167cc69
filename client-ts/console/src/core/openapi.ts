/** The OpenAPI document of the edge, as the reference page shows it. */

export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  enum?: unknown[];
  properties?: Record<string, Schema>;
  items?: Schema;
  additionalProperties?: Schema | boolean;
  anyOf?: Schema[];
  deprecated?: boolean;
  /** Members of one oneof exclude each other. */
  "x-oneof"?: string;
}

export interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  deprecated?: boolean;
  description?: string;
  schema?: Schema;
}

export interface Media {
  type: string;
  schema?: Schema;
  /** What one event or line of a stream is. */
  item?: Schema;
}

export interface Answer {
  status: string;
  description: string;
  media: Media[];
}

export interface StreamInfo {
  tier: string;
  finite: boolean;
  events?: string[];
}

export interface Operation {
  id: string;
  /** `package.Service/Method`; empty where the document does not tell. */
  rpc: string;
  method: string;
  path: string;
  summary: string;
  description: string;
  deprecated: boolean;
  /** Anyone may call it; a token may still show more. */
  open: boolean;
  parameters: Parameter[];
  body: Media[];
  answers: Answer[];
  stream?: StreamInfo;
}

export interface Group {
  name: string;
  description: string;
  operations: Operation[];
}

export interface Reference {
  title: string;
  version: string;
  groups: Group[];
  schemas: Record<string, Schema>;
}

type Json = Record<string, any>;

const METHODS = ["get", "post", "put", "patch", "delete", "head", "options", "trace"];
const HIDDEN = ["application/x-protobuf"];

export function readReference(document: Json): Reference {
  const groups = new Map<string, Group>();
  for (const { name, description } of document.tags ?? []) {
    groups.set(name, { name, description: description ?? "", operations: [] });
  }
  for (const [path, item] of Object.entries<Json>(document.paths ?? {})) {
    for (const method of METHODS.filter((method) => item[method])) {
      const tag = item[method].tags?.[0] ?? "";
      if (!groups.has(tag)) groups.set(tag, { name: tag, description: "", operations: [] });
      groups.get(tag)?.operations.push(operation(document, method, path, item[method]));
    }
  }
  return {
    title: document.info?.title ?? "",
    version: document.info?.version ?? "",
    groups: [...groups.values()].filter((group) => group.operations.length > 0),
    schemas: document.components?.schemas ?? {},
  };
}

function operation(document: Json, method: string, path: string, value: Json): Operation {
  const security: Json[] = value.security ?? document.security ?? [];
  const read: Operation = {
    id: value.operationId ?? `${method} ${path}`,
    rpc: value["x-lastmile-method"] ?? "",
    method: method.toUpperCase(),
    path,
    summary: value.summary ?? "",
    description: value.description ?? "",
    deprecated: value.deprecated ?? false,
    open: security.length === 0 || security.some((way) => Object.keys(way).length === 0),
    parameters: value.parameters ?? [],
    body: media(value.requestBody?.content),
    answers: Object.entries<Json>(value.responses ?? {}).map(([status, given]) => {
      const answer: Json = given.$ref ? (find(document, given.$ref) ?? {}) : given;
      return { status, description: answer.description ?? "", media: media(answer.content) };
    }),
  };
  if (value["x-lastmile-stream"]) read.stream = value["x-lastmile-stream"];
  return read;
}

function media(content: Json | undefined): Media[] {
  const shown = Object.entries<Json>(content ?? {}).filter(([type]) => !HIDDEN.includes(type));
  return shown.map(([type, value]) => ({ type, schema: value.schema, item: value["x-itemSchema"] }));
}

function find(document: Json, pointer: string): Json | undefined {
  const steps = pointer.replace(/^#\//, "").split("/");
  return steps.reduce<Json | undefined>((value, step) => value?.[step], document);
}

/** The operations that have every word of the text in path, name or description; all when it is empty. */
export function search(groups: Group[], text: string): Group[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (group: Group, { method, path, id, summary, description }: Operation) => {
    const hay = [group.name, method, path, id, summary, description].join("\n").toLowerCase();
    return words.every((word) => hay.includes(word));
  };
  const found = groups.map((group) => ({ ...group, operations: group.operations.filter((one) => matches(group, one)) }));
  return found.filter((group) => group.operations.length > 0);
}

/** The full name of the component that a schema refers to. */
export function referred(schema: Schema): string {
  return schema.$ref?.split("/").pop() ?? "";
}

/** The schema itself, where it only refers to a component. */
export function resolve(schema: Schema, schemas: Record<string, Schema>): Schema {
  const name = referred(schema);
  return name ? (schemas[name] ?? {}) : schema;
}

/** A type in one or two words, such as `Topic[]` or `string, date-time`. */
export function typeWords(schema: Schema): string {
  const name = referred(schema);
  if (name) return name.split(".").pop() ?? name;
  if (schema.items) return `${typeWords(schema.items)}[]`;
  if (schema.anyOf) return [...new Set(schema.anyOf.map(typeWords))].join(" or ");
  if (typeof schema.additionalProperties === "object") return `map of ${typeWords(schema.additionalProperties)}`;
  if (schema.type === undefined) return schema.enum ? "string" : "any JSON";
  const type = [schema.type].flat().join(" or ");
  return schema.format ? `${type}, ${schema.format}` : type;
}

const SAMPLES: Record<string, string> = {
  "date-time": "2026-01-31T12:00:00Z",
  "google-duration": "1.5s",
  "google-fieldmask": "name",
  int64: "1",
  uint64: "1",
  byte: "AAEC",
};
const DEEPEST = 5;

/** A value as the schema allows it, of a oneof the first member; what holds itself is left out. */
export function sample(schema: Schema, schemas: Record<string, Schema>, above: string[] = []): unknown {
  const name = referred(schema);
  if (name && (above.includes(name) || above.length >= DEEPEST)) return undefined;
  const path = name ? [...above, name] : above;
  const { type, format, anyOf, items, properties, enum: values } = resolve(schema, schemas);
  if (values?.length) return values[1] ?? values[0];
  if (anyOf?.[0]) return sample(anyOf[0], schemas, path);
  switch ([type].flat()[0]) {
    case "string":
      return SAMPLES[format ?? ""] ?? "text";
    case "integer":
    case "number":
      return 1;
    case "boolean":
      return true;
    case "array": {
      const item = sample(items ?? {}, schemas, path);
      return item === undefined ? [] : [item];
    }
    case "object":
      return members(properties ?? {}, schemas, path);
    default:
      return { any: "JSON" };
  }
}

function members(properties: Record<string, Schema>, schemas: Record<string, Schema>, path: string[]): unknown {
  const oneofs = new Set<string>();
  const object: Json = {};
  for (const [key, schema] of Object.entries(properties)) {
    const oneof = schema["x-oneof"];
    if (oneof !== undefined && oneofs.has(oneof)) continue;
    if (oneof !== undefined) oneofs.add(oneof);
    const value = sample(schema, schemas, path);
    if (value !== undefined) object[key] = value;
  }
  return object;
}
