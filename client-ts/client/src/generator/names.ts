// What generated files and types are called.
import type { DescEnum, DescFile, DescMessage } from "@bufbuild/protobuf";
import { safeIdentifier } from "@bufbuild/protoplugin";

/** Which of a message's two types is meant. */
export type Direction = "sent" | "received";

export function fileName(file: DescFile): string {
  return `${file.name}.ts`;
}

/** As the plugin framework wants it: it rewrites the ending by its option `import_extension`. */
export function importPath(file: DescFile): string {
  return `./${file.name}.js`;
}

/** `Outer.Inner` is `Outer_Inner`, as protoc-gen-es has it. */
export function typeName(desc: DescMessage | DescEnum): string {
  const prefix = desc.file.proto.package ? `${desc.file.proto.package}.` : "";
  return safeIdentifier(desc.typeName.slice(prefix.length).replaceAll(".", "_"));
}

export function methodName(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}

/** A property as it is written: in quotes where it is no identifier. */
export function property(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}
