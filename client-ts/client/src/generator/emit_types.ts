// Writes enums and messages as plain types.
import { type DescEnum, type DescField, type DescFile, type DescMessage, type DescOneof, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { type GeneratedFile, getComments, type Printable } from "@bufbuild/protoplugin";
import { type Direction, importPath, property, typeName } from "./names.ts";
import type { Usage } from "./usage.ts";
import { wellKnown } from "./well_known.ts";

export interface TypeOptions {
  runtime: string;
  int64: "string" | "number";
}

export interface Types {
  printEnum(desc: DescEnum): void;
  printMessage(desc: DescMessage): void;
  /** The name of a message in a direction, imported where it is declared elsewhere. */
  reference(desc: DescMessage, direction: Direction): Printable;
  /** A type of the runtime. */
  runtime(name: string): Printable;
}

/** Writes into `file` what is declared in `home`. */
export function typesOf(file: GeneratedFile, home: DescFile, usage: Usage, options: TypeOptions): Types {
  const runtime = (name: string): Printable => file.import(name, options.runtime, true);

  function printEnum(desc: DescEnum): void {
    file.print(comment(desc));
    file.print("export type ", typeName(desc), " =");
    const members = desc.values.flatMap((value, index) => {
      const end = index === desc.values.length - 1 ? ";" : "";
      return [...lines(getComments(value).leading, "  "), `  | ${JSON.stringify(value.name)}${end}`];
    });
    for (const line of members) file.print(line);
    file.print();
  }

  function printMessage(desc: DescMessage): void {
    const { sent, received } = { sent: usage.sent.has(desc), received: usage.received.has(desc) };
    if (received) printShape(desc, typeName(desc), "received");
    if (sent && received) {
      const note = `{@link ${typeName(desc)}} as it is sent: what is left out has its default.`;
      printShape(desc, sentName(desc), "sent", note);
    } else if (sent) printShape(desc, typeName(desc), "sent");
  }

  function printShape(desc: DescMessage, name: string, direction: Direction, note?: string): void {
    const plain = desc.fields.filter((field) => !field.oneof);
    const oneofs = desc.oneofs.map((oneof) => [" & ", ...printOneof(oneof, direction)]);
    file.print(note ? `/** ${note} */` : comment(desc));
    const isInterface = oneofs.length === 0;
    if (isInterface && plain.length === 0) {
      file.print("export type ", name, " = ", runtime("Empty"), ";");
    } else {
      file.print("export ", isInterface ? `interface ${name} {` : `type ${name} = {`);
      for (const field of plain) printField(field, direction, "  ");
      file.print("}", ...oneofs.flat(), isInterface ? "" : ";");
    }
    file.print();
  }

  function printField(field: DescField, direction: Direction, indent: string): void {
    for (const line of lines(getComments(field).leading, indent)) file.print(line);
    const mark = direction === "sent" || hasPresence(field) ? "?: " : ": ";
    file.print(indent, property(field.jsonName), mark, fieldType(field, direction), ";");
  }

  /** A oneof is a union: at most one of its members is there. */
  function printOneof(oneof: DescOneof, direction: Direction): Printable[] {
    const members = oneof.fields.flatMap((field): Printable[] => {
      const comments = lines(getComments(field).leading, "  ").map((line) => `${line}\n`);
      return [...comments, `  ${property(field.jsonName)}: `, fieldType(field, direction), ";\n"];
    });
    return [runtime("OneOf"), "<{\n", ...members, "}>"];
  }

  function fieldType(field: DescField, direction: Direction): Printable[] {
    switch (field.fieldKind) {
      case "list":
        return element(field.listKind, field, direction, true);
      case "map":
        return ["{ [key: string]: ", ...element(field.mapKind, field, direction, false), " }"];
      default:
        return element(field.fieldKind, field, direction, false);
    }
  }

  function element(kind: string, field: DescField, direction: Direction, isList: boolean): Printable[] {
    const type = single(kind, field, direction);
    if (!isList) return type;
    return type.length === 1 ? [...type, "[]"] : ["(", ...type, ")[]"];
  }

  function single(kind: string, field: DescField, direction: Direction): Printable[] {
    if (kind === "enum") return enumType(field.enum!);
    return kind === "message" ? messageType(field.message!, direction) : scalar(field.scalar!, direction);
  }

  function enumType(desc: DescEnum): Printable[] {
    if (desc.typeName === "google.protobuf.NullValue") return ["null"];
    return [imported(desc, typeName(desc))];
  }

  function messageType(desc: DescMessage, direction: Direction): Printable[] {
    const known = wellKnown(desc);
    return known ? withImports(known[direction], known.imports) : [reference(desc, direction)];
  }

  function scalar(type: ScalarType, direction: Direction): Printable[] {
    switch (type) {
      case ScalarType.STRING:
        return ["string"];
      case ScalarType.BOOL:
        return ["boolean"];
      case ScalarType.BYTES:
        return direction === "sent" ? withImports("Bytes | string", ["Bytes"]) : [runtime("Bytes")];
      case ScalarType.INT64:
      case ScalarType.UINT64:
      case ScalarType.SINT64:
      case ScalarType.FIXED64:
      case ScalarType.SFIXED64:
        if (options.int64 === "number") return ["number"];
        return direction === "sent" ? withImports("Int64 | bigint | number | string", ["Int64"]) : [runtime("Int64")];
      default:
        return ["number"];
    }
  }

  /** Puts the imported symbol in the place of its name. */
  function withImports(text: string, names: string[]): Printable[] {
    const [name] = names;
    if (name === undefined) return [text];
    const rest = text.slice(text.indexOf(name) + name.length);
    return rest ? [runtime(name), rest] : [runtime(name)];
  }

  function reference(desc: DescMessage, direction: Direction): Printable {
    const known = wellKnown(desc);
    if (known) return withImports(known[direction], known.imports);
    const both = usage.sent.has(desc) && usage.received.has(desc);
    return imported(desc, both && direction === "sent" ? sentName(desc) : typeName(desc));
  }

  function imported(desc: DescMessage | DescEnum, name: string): Printable {
    return desc.file === home ? name : file.import(name, importPath(desc.file), true);
  }

  return { printEnum, printMessage, reference, runtime };
}

function sentName(desc: DescMessage): string {
  const name = `${typeName(desc)}Input`;
  const isTaken = [...desc.file.messages, ...desc.file.enums].some((each) => typeName(each) === name);
  return isTaken ? `${name}_` : name;
}

/** The edge prints every field but those that can be absent. */
function hasPresence(field: DescField): boolean {
  const isSingle = field.fieldKind !== "list" && field.fieldKind !== "map";
  return isSingle && field.presence !== FeatureSet_FieldPresence.IMPLICIT;
}

function comment(desc: DescEnum | DescMessage): string {
  return lines(getComments(desc).leading, "").join("\n") || `/** ${desc.typeName} */`;
}

/** A comment of the proto as JSDoc. */
export function lines(text: string | undefined, indent: string): string[] {
  const body = (text ?? "").trim().replaceAll("*/", "*\\/").split("\n").map((line) => line.trim());
  if (body.length === 1) return body[0] ? [`${indent}/** ${body[0]} */`] : [];
  return [`${indent}/**`, ...body.map((line) => `${indent} *${line && ` ${line}`}`), `${indent} */`];
}
