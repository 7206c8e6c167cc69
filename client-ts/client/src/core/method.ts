/** How generated code describes a method to the runtime. */

/** What a StreamRule says of a server-streaming method. */
export interface StreamInfo {
  /** Where the request has its cursor; a method without one cannot be resumed anywhere, only within what an edge holds. */
  readonly resume?: string;
  /** The field that names an event, or each member of a oneof with the name of its event. */
  readonly event?: string | { readonly [member: string]: string };
  /** Request fields that choose where a call without a cursor begins. */
  readonly beginning?: readonly string[];
  /** The unary method that gives the state, and where its answer has the cursor from which the stream goes on. */
  readonly snapshot?: string;
  readonly snapshotCursor?: string;
}

export interface Method {
  /** Full name, `package.Service/Method`; in a generated table without the service. */
  readonly name: string;
  readonly kind: "unary" | "server" | "client" | "bidi";
  /** The verb, the path and, where there is one, the body: a field of the request, or `*` for what the path has not. */
  readonly http?: readonly string[];
  /** It changes nothing, and may be repeated. */
  readonly safe?: boolean;
  /** It reads or sets cookies, which only HTTP has. */
  readonly cookies?: boolean;
  readonly stream?: StreamInfo;
}

declare const types: unique symbol;
/** Where types keep what a stream continues from. */
export declare const snapshot: unique symbol;
interface Typed<Input, Output> extends Method {
  readonly [types]?: (input: Input) => Output;
}

export interface Unary<Input, Output> extends Typed<Input, Output> {
  readonly kind: "unary";
}
/** `Snapshot` is the answer of the method that gives the state, where the stream's rule names one. */
export interface ServerStream<Input, Output, Snapshot = unknown> extends Typed<Input, Output> {
  readonly kind: "server";
  readonly [snapshot]?: Snapshot;
}
export interface ClientStream<Input, Output> extends Typed<Input, Output> {
  readonly kind: "client";
}
export interface Bidi<Input, Output> extends Typed<Input, Output> {
  readonly kind: "bidi";
}

export interface Service {
  /** Full name, `package.Service`. */
  readonly name: string;
  readonly methods: { readonly [name: string]: Method };
}
