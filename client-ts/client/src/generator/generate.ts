// Generates in process, from descriptors alone: no protoc, no buf, no Java.
import { create, fromBinary } from "@bufbuild/protobuf";
import { CodeGeneratorRequestSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { fillJsonNames } from "./json_names.ts";
import { plugin } from "./plugin.ts";

export interface GenerateOptions {
  /** `number` reads 64-bit integers as numbers, for edges with `rest.json.int64 = "number"`. */
  int64?: "string" | "number";
}

/** Generated files by name. `descriptors` is an encoded google.protobuf.FileDescriptorSet with its imports. */
export function generate(descriptors: Uint8Array, options: GenerateOptions = {}): Map<string, string> {
  const set = fillJsonNames(fromBinary(FileDescriptorSetSchema, descriptors));
  const request = create(CodeGeneratorRequestSchema, {
    fileToGenerate: set.file.map((file) => file.name),
    parameter: ["target=ts", "import_extension=none", options.int64 && `int64=${options.int64}`].filter(Boolean).join(","),
    protoFile: set.file,
  });
  const response = plugin.run(request);
  if (response.error) throw new Error(response.error);
  return new Map(response.file.map((file) => [file.name, file.content]));
}
