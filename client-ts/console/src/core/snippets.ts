/** The same call in other tongues: grpcurl and TypeScript. `curl.ts` has the third. */
import { quote } from "./curl.ts";
import type { Json } from "./calls.ts";
import type { Method } from "@lastmile/client";

export function grpcurl(target: string, rpc: string, request: Json, isOpen: boolean): string {
  const words = ["grpcurl", "-plaintext"];
  if (!isOpen) words.push("-H", '"authorization: Bearer $TOKEN"');
  if (Object.keys(request).length > 0) words.push("-d", quote(JSON.stringify(request)));
  return [...words, target, rpc].join(" ");
}

/** `file` is the proto file that declares it; where nobody tells, it is taken to be called as its service. */
export function typescript(rpc: string, kind: Method["kind"], request: Json, file = ""): string {
  const [fullName = "", method = ""] = rpc.split("/");
  const parts = fullName.split(".");
  const service = parts.pop() ?? "";
  const plain = lower(service.replace(/Service$/, "") || service);
  const client = plural(plain);
  const path = file.replace(/\.proto$/, "") || [...parts, plain].join("/");
  const input = Object.keys(request).length > 0 ? literal(request) : "";
  const call = `${client}.${lower(method)}`;
  return [
    'import { createClient } from "@lastmile/client";',
    `import { ${service} } from ${JSON.stringify(`./api/${path}`)};`,
    'import { link } from "./link";',
    "",
    `const ${client} = createClient(${service}, link);`,
    ...body(kind, call, input),
  ].join("\n");
}

function body(kind: Method["kind"], call: string, input: string): string[] {
  switch (kind) {
    case "unary":
      return [`console.log(await ${call}(${input}));`];
    case "client":
      return [`console.log(await ${call}([${input}]));`];
    case "server":
      return [`for await (const message of ${call}(${input})) {`, "  console.log(message);", "}"];
    case "bidi":
      return [`const call = ${call}();`, `await call.send(${input || "{}"});`, "for await (const message of call) console.log(message);"];
  }
}

/** JSON as people write it in TypeScript: names without quotes where they need none. */
function literal(value: unknown): string {
  return JSON.stringify(value, null, 2).replaceAll(/^( *)"([A-Za-z_$][\w$]*)":/gm, "$1$2:");
}

function lower(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}

function plural(name: string): string {
  return name.endsWith("s") ? name : `${name}s`;
}
