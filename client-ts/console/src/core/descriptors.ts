/** What the console needs of a FileDescriptorSet: which methods there are, and how they are bound. */

export interface Rpc {
  /** Where it is declared: `lastmile/v1/topic.proto`. */
  file: string;
  /** Full name of the service. */
  service: string;
  method: string;
  kind: "unary" | "server" | "client" | "bidi";
  bindings: Binding[];
}

export interface Binding {
  verb: string;
  /** With the paths of fields: `/v1/topics/{topic.name}`. */
  template: string;
  /** A field of the request, `*`, or empty. */
  body: string;
}

export function readRpcs(set: Uint8Array): Rpc[] {
  return messages(set, 1).flatMap((file) => {
    const prefix = text(file, 2);
    return messages(file, 6).flatMap((service) => {
      const name = prefix ? `${prefix}.${text(service, 1)}` : text(service, 1);
      return messages(service, 2).map((method) => readRpc(text(file, 1), name, method));
    });
  });
}

/** google.api.http in MethodOptions. */
const HTTP = 72295728;
const VERBS = ["GET", "PUT", "POST", "DELETE", "PATCH"];

function readRpc(file: string, service: string, method: Uint8Array): Rpc {
  const [sends, receives] = [5, 6].map((field) => numbers(method, field).at(-1) === 1);
  const rules = messages(method, 4).flatMap((options) => messages(options, HTTP));
  return {
    file,
    service,
    method: text(method, 1),
    kind: sends ? (receives ? "bidi" : "client") : receives ? "server" : "unary",
    bindings: rules.flatMap((rule) => [rule, ...messages(rule, 11)]).flatMap(readBinding),
  };
}

function readBinding(rule: Uint8Array): Binding[] {
  const body = text(rule, 7);
  return VERBS.flatMap((verb, index) => {
    const template = text(rule, index + 2);
    return template ? [{ verb, template, body }] : [];
  });
}

function messages(bytes: Uint8Array, field: number): Uint8Array[] {
  return fields(bytes).flatMap(([number, value]) => (number === field && typeof value === "object" ? [value] : []));
}

function numbers(bytes: Uint8Array, field: number): number[] {
  return fields(bytes).flatMap(([number, value]) => (number === field && typeof value === "number" ? [value] : []));
}

function text(bytes: Uint8Array, field: number): string {
  return new TextDecoder().decode(messages(bytes, field).at(-1));
}

/** Every field with its number; those of fixed size are of no interest. */
function fields(bytes: Uint8Array): [number: number, value: Uint8Array | number][] {
  const found: [number, Uint8Array | number][] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    if (tag % 8 === 0) found.push([number, varint()]);
    else if (tag % 8 === 2) {
      const end = varint() + at;
      found.push([number, bytes.subarray(at, end)]);
      at = end;
    } else at += tag % 8 === 1 ? 8 : 4;
  }
  return found;
}
