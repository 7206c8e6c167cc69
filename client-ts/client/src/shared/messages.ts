/** What tabs and the worker that has their session say to each other. */
import { type Detail, type ErrorParts, LastmileError } from "../core/error.ts";
import type { Transport } from "../core/ladder.ts";
import type { Ending, Gap, Opening, Target } from "../core/source.ts";
import type { Payload } from "../session/frames.ts";

/** Where the session of a tab goes, and how. */
export interface Place {
  baseUrl: string;
  prefix: string;
  credentials: RequestCredentials;
  transports: readonly Transport[];
}

/** An error on its way between threads. */
export type Packed = ErrorParts & { message: string };

/** `id` is the tab's number of what it concerns. */
export type ToWorker =
  /** Tabs with equal `place` and `who` share a session. The tab holds `lock` as long as it lives. */
  | { type: "hello"; place: Place; who: string; lock: string }
  | { type: "read"; id: number; target: Pick<Target, "name" | "input" | "proto">; cursor: string }
  | { type: "bidi"; id: number; method: string; encoding: "ENCODING_PROTO" | undefined }
  | { type: "send"; id: number; turn: number; payload: Payload | "finish" }
  /** One more message was taken. */
  | { type: "took"; id: number }
  | { type: "cancel"; id: number }
  /** Answers what the worker asked. */
  | { type: "answer"; ask: number; value?: string | boolean; error?: Packed }
  /** It is worth trying again, or a better transport. */
  | { type: "wake" }
  | { type: "restart" };

export type ToTab =
  /** The worker holds `lock` as long as it lives. */
  | { type: "welcome"; lock: string; transport: Transport }
  | { type: "ask"; ask: number; what: "token" | "renew" }
  | { type: "opened"; id: number; streams: Opening[]; transport: Transport }
  | { type: "message"; id: number; value: unknown; name?: string | undefined; cursor?: string | undefined }
  | { type: "moved"; id: number; cursor: string | undefined }
  | { type: "gap"; id: number; gap: Gap }
  | { type: "end"; id: number; ending?: Ending; error?: Packed }
  | { type: "sent"; id: number; turn: number; error?: Packed };

/** So many messages may be on their way to a tab that has not taken them. */
export const WINDOW = 64;

export function pack(error: unknown): Packed {
  const { message, code, status, reason, fields, details, traceId, retryMs, answered } = error as LastmileError;
  if (!(error instanceof LastmileError)) return { message: String((error as Error)?.message ?? error), code: "UNKNOWN" };
  return { message, code, status, reason, fields, details: details as Detail[], traceId, retryMs, answered };
}

export function unpack({ message, ...parts }: Packed): LastmileError {
  return new LastmileError(message, parts);
}
