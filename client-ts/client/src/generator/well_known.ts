// The types of google.protobuf that have a JSON form of their own.
import type { DescMessage } from "@bufbuild/protobuf";

/** What a well-known type is in an answer and in a request; a name in `imports` comes from the runtime. */
export interface WellKnown {
  received: string;
  sent: string;
  imports: string[];
}

const table: Record<string, WellKnown> = {
  Timestamp: branded("Timestamp", "Timestamp | Date | string"),
  Duration: branded("Duration", "Duration | string"),
  FieldMask: branded("FieldMask", "FieldMask | string"),
  Struct: { received: "JsonObject", sent: "JsonObject", imports: ["JsonObject"] },
  Value: { received: "JsonValue", sent: "JsonValue", imports: ["JsonValue"] },
  ListValue: { received: "JsonValue[]", sent: "JsonValue[]", imports: ["JsonValue"] },
  Any: { received: "AnyMessage", sent: "AnyMessage", imports: ["AnyMessage"] },
  Empty: { received: "Empty", sent: "Empty", imports: ["Empty"] },
  BoolValue: plain("boolean"),
  StringValue: plain("string"),
  DoubleValue: plain("number"),
  FloatValue: plain("number"),
  Int32Value: plain("number"),
  UInt32Value: plain("number"),
  Int64Value: branded("Int64", "Int64 | bigint | number | string"),
  UInt64Value: branded("Int64", "Int64 | bigint | number | string"),
  BytesValue: branded("Bytes", "Bytes | string"),
};

const PACKAGE = "google.protobuf.";

export function wellKnown(message: DescMessage): WellKnown | undefined {
  return message.typeName.startsWith(PACKAGE) ? table[message.typeName.slice(PACKAGE.length)] : undefined;
}

export function isWellKnown(message: DescMessage): boolean {
  return wellKnown(message) !== undefined;
}

function branded(name: string, sent: string): WellKnown {
  return { received: name, sent, imports: [name] };
}

function plain(name: string): WellKnown {
  return { received: name, sent: name, imports: [] };
}
