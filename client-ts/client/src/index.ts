/** Typed calls and streams over one link to an edge. */
export { type Bus, type BusEvent, type BusOptions, createBus, type Pattern } from "./core/bus.ts";
export type { StreamCall } from "./core/call.ts";
export { type BidiStreamCall, type Called, type Client, type ClientStreamCall, createClient, type ServerStreamCall, type StreamOptions, type UnaryCall } from "./core/client.ts";
export { type Code, type Detail, type FieldViolation, LastmileError } from "./core/error.ts";
export type { Transport } from "./core/ladder.ts";
export { createLink, type Hot, type Link, type LinkOptions, type LinkState, type LinkStatus } from "./core/link.ts";
export type * from "./core/method.ts";
export type { Gap, Outcome } from "./core/source.ts";
export type { Meta, StreamHandle, StreamHandlers, StreamState, StreamStatus } from "./core/stream.ts";
export type { CallOptions } from "./core/unary.ts";
export type * from "./core/values.ts";
export type { BidiCall } from "./session/bidi.ts";
