// Reads what the annotations of a method and a message say: HTTP binding, stream rule, name of the event.
import { type DescExtension, type DescFile, type DescMessage, type DescMethod, getExtension } from "@bufbuild/protobuf";

/** `verb` and `path` of a binding, and its body: a field, `*` for the whole request, or nothing. */
export interface Binding {
  verb: string;
  path: string;
  body: string;
}

/** lastmile.edge.v1.StreamRule, as far as a client needs it. */
export interface StreamRule {
  cursor: string;
  position: string;
  event: string;
  data: string;
  resume: string;
  beginning: string[];
  snapshot: string;
  snapshotCursor: string;
}

/** lastmile.edge.v1.AuthRule, as far as a client needs it. */
interface AuthRule {
  setCookie: Record<string, string>;
  fromCookie: Record<string, string>;
  clearCookie: string[];
}

export interface Options {
  /** Every verb and path that leads to a method. */
  routes(method: DescMethod): Binding[];
  binding(method: DescMethod): Binding | undefined;
  stream(method: DescMethod): StreamRule | undefined;
  /** Whether it reads or sets cookies. */
  cookies(method: DescMethod): boolean;
  event(message: DescMessage): string;
  /** The method of this full name, `package.Service/Method`. */
  method(name: string): DescMethod | undefined;
}

type HttpPattern = { case: "get" | "put" | "post" | "delete" | "patch" | "custom"; value: unknown };
type HttpRule = { pattern: HttpPattern; body: string; responseBody: string; additionalBindings: HttpRule[] };

/** The extensions come along in the descriptors, whoever declared them; without them there is nothing to read. */
export function readOptions(files: readonly DescFile[]): Options {
  const extensions = new Map(files.flatMap((file) => file.extensions.map((extension) => [extension.typeName, extension])));
  const all = files.flatMap((file) => file.services.flatMap((service) => service.methods));
  const methods = new Map(all.map((method) => [`${method.parent.typeName}/${method.name}`, method]));
  const http = extensions.get("google.api.http");
  const stream = extensions.get("lastmile.edge.v1.stream");
  const auth = extensions.get("lastmile.edge.v1.auth");
  const event = extensions.get("lastmile.edge.v1.event");
  return {
    routes: (method) => routes(read<HttpRule>(method, http)),
    binding: (method) => usable(read<HttpRule>(method, http)),
    stream: (method) => read<StreamRule>(method, stream),
    cookies(method) {
      const { setCookie = {}, fromCookie = {}, clearCookie = [] } = read<AuthRule>(method, auth) ?? {};
      return [setCookie, fromCookie, clearCookie].some((each) => Object.keys(each).length > 0);
    },
    method: (name) => methods.get(name),
    event: (message) => read<string>(message, event) ?? "",
  };
}

function read<T>(desc: DescMethod | DescMessage, extension: DescExtension | undefined): T | undefined {
  const options = desc.proto.options;
  if (!options || !extension) return undefined;
  const isSet = options.$unknown?.some((field) => field.no === extension.number) ?? false;
  return isSet ? (getExtension(options, extension) as T) : undefined;
}

function routes(rule: HttpRule | undefined): Binding[] {
  if (!rule) return [];
  const { case: verb, value } = rule.pattern;
  const isPlain = verb && verb !== "custom";
  const own = isPlain ? [{ verb: verb.toUpperCase(), path: String(value), body: rule.body }] : [];
  return [...own, ...rule.additionalBindings.flatMap(routes)];
}

/** A binding that answers with one field of the response would lose the others: such a method goes by its own name. */
function usable(rule: HttpRule | undefined): Binding | undefined {
  if (!rule?.pattern.case || rule.pattern.case === "custom" || rule.responseBody) return undefined;
  return { verb: rule.pattern.case.toUpperCase(), path: String(rule.pattern.value), body: rule.body };
}
