/** The types of values that generated code is made of. None of it is there at run time. */

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** A 64-bit integer in decimal digits: JavaScript's numbers lose those above 2^53. `BigInt(value)` reads it. */
export type Int64 = Branded<"Int64">;
/** Bytes in base64. */
export type Bytes = Branded<"Bytes">;
/** A moment, RFC 3339, such as `2026-01-31T12:00:00Z`. `new Date(value)` reads it. */
export type Timestamp = Branded<"Timestamp">;
/** Seconds, such as `1.5s`. */
export type Duration = Branded<"Duration">;
/** Paths of fields, such as `name,address.street`. */
export type FieldMask = Branded<"FieldMask">;

/** google.protobuf.Value. */
export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
/** google.protobuf.Struct. */
export interface JsonObject {
  [key: string]: JsonValue;
}
/** google.protobuf.Any. */
export interface AnyMessage {
  "@type": string;
  [key: string]: JsonValue;
}
/** A message without fields. */
export type Empty = { readonly [key in never]: never };

/** At most one of the members: `if (message.created)` tells which. */
export type OneOf<Members> =
  | { [Key in keyof Members]: { [Each in Key]: Members[Each] } & { [Other in Exclude<keyof Members, Key>]?: never } }[keyof Members]
  | { [Key in keyof Members]?: never };

/** What events carry, by name. Generated code adds to it. */
// oxlint-disable-next-line no-empty-interface -- declarations are merged into it
export interface EventMap {}
