// The generator, as a plugin of protoc and buf: a file of plain types and small method tables for each proto file.
import type { DescFile } from "@bufbuild/protobuf";
import { createEcmaScriptPlugin, type GeneratedFile, type Schema } from "@bufbuild/protoplugin";
import { printService } from "./emit_service.ts";
import { type TypeOptions, typesOf } from "./emit_types.ts";
import { fileName, typeName } from "./names.ts";
import { type Options, readOptions } from "./options.ts";
import { findUsage, type Usage, withNested } from "./usage.ts";

const RUNTIME = "@lastmile/client";

export const plugin = createEcmaScriptPlugin({
  name: "protoc-gen-lastmile",
  version: "0.1",
  parseOptions,
  generateTs(schema) {
    const usage = findUsage(schema.allFiles);
    const options = readOptions(schema.allFiles);
    for (const file of schema.files.filter(isOfUser)) generateFile(schema, file, usage, options);
  },
});

function parseOptions(given: { key: string; value: string }[]): TypeOptions {
  const options: TypeOptions = { runtime: RUNTIME, int64: "string" };
  for (const { key, value } of given) {
    if (key === "runtime") options.runtime = value;
    else if (key === "int64" && (value === "string" || value === "number")) options.int64 = value;
    else throw new Error(`unknown option ${key}=${value}: there are int64=string|number and runtime=MODULE`);
  }
  return options;
}

/** Well-known types and annotations belong to the runtime and to the edge. */
function isOfUser(file: DescFile): boolean {
  return !/^(google\/(protobuf|api|rpc|type)|lastmile\/edge\/v1|grpc\/(reflection|health))\//.test(`${file.name}.proto`);
}

function generateFile(schema: Schema<TypeOptions>, desc: DescFile, usage: Usage, options: Options): void {
  const file = schema.generateFile(fileName(desc));
  file.preamble(desc);
  const types = typesOf(file, desc, usage, schema.options);
  for (const service of desc.services) printService(file, service, types, options);
  const messages = desc.messages.flatMap(withNested);
  for (const message of messages) types.printMessage(message);
  for (const each of [...desc.enums, ...messages.flatMap((message) => message.nestedEnums)]) types.printEnum(each);
  printEvents(file, schema.options.runtime, messages.flatMap((message) => eventOf(message, options)));
}

type Event = readonly [name: string, type: string];

function eventOf(message: Parameters<Options["event"]>[0], options: Options): Event[] {
  const name = options.event(message);
  return name ? [[name, typeName(message)]] : [];
}

/** The names of events and what they carry, also merged into what every bus knows. */
function printEvents(file: GeneratedFile, runtime: string, events: Event[]): void {
  if (events.length === 0) return;
  file.print("/** The events that are declared here, by name. */");
  file.print("export interface Events {");
  for (const [name, type] of events) file.print("  ", JSON.stringify(name), ": ", type, ";");
  file.print("}");
  file.print();
  file.print(`declare module ${JSON.stringify(runtime)} {`);
  file.print("  interface EventMap extends Events {}");
  file.print("}");
}
