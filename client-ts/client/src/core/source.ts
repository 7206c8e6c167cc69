/** What a transport has to do: read a stream once, from a cursor, until it ends or is cut. */
import type { Transport } from "./ladder.ts";
import type { StreamInfo } from "./method.ts";
import type { HttpRequest } from "./request.ts";
import type { Wire } from "./wire.ts";

/** What became of the cursor: the stream begins now, goes on right after it, or events may be missing. */
export type Outcome = "FRESH" | "RESUMED" | "GAP";

/** Events may be missing: read the state anew. */
export interface Gap {
  /** Such as `expired` or `epoch_changed`: see the edge's `/.well-known/lastmile/reasons`. */
  reason: string;
  /** Which of several streams in one it concerns, such as the topic. */
  key: string;
}

export interface Opening {
  key: string;
  outcome: Outcome;
  reason?: string;
}

/** Whom a transport tells. */
export interface Sink {
  readonly cursor: string;
  /** `transport` is what it is read by, where the source alone knows. */
  opened(streams: Opening[], transport?: Transport): void;
  /** The next message waits for what is returned. */
  message(value: unknown, name?: string, cursor?: string): void | Promise<unknown>;
  /** Nothing happened, but the cursor moved. */
  moved(cursor: string | undefined): void;
  gap(gap: Gap): void;
}

export interface Target {
  /** Full name of the method. */
  name: string;
  input: object;
  /** The input as protobuf in base64: a session answers with bytes then. */
  proto?: string;
  request: HttpRequest;
  headers: HeadersInit | undefined;
  /** What names an event, where the transport does not. */
  event: StreamInfo["event"] | undefined;
}

/** Why a stream stopped, if it did not fail. */
export interface Ending {
  /** It ended well: there is nothing to come back for. */
  ended?: true;
  /** The edge's reason to close it. */
  reason?: string;
  /** When to come back. */
  retryMs?: number | undefined;
}

/** Reads until the end; rejects when the stream fails, is cut before it opened, or `signal` aborts. */
export type Source = (wire: Wire, target: Target, sink: Sink, signal: AbortSignal) => Promise<Ending>;

/** EventSource's own header: a cursor that is no good is a gap then, and no mistake. */
export function resumeHeader({ cursor }: Sink): { [name: string]: string } {
  return cursor ? { "last-event-id": cursor } : {};
}

/** In the middle of a stream only gaps are told. */
export function tellGaps(sink: Sink, streams: Opening[]): void {
  for (const { key, reason = "" } of streams) sink.gap({ key, reason });
}
