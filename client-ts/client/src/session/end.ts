/** How a call of a session failed. */
import { type Code, LastmileError } from "../core/error.ts";
import type { End } from "./frames.ts";

/** By their numbers in gRPC, from 1, each with the HTTP status that the same call has. */
const CODES: readonly [Code, number][] = [
  ["CANCELLED", 499],
  ["UNKNOWN", 500],
  ["INVALID_ARGUMENT", 400],
  ["DEADLINE_EXCEEDED", 504],
  ["NOT_FOUND", 404],
  ["ALREADY_EXISTS", 409],
  ["PERMISSION_DENIED", 403],
  ["RESOURCE_EXHAUSTED", 429],
  ["FAILED_PRECONDITION", 400],
  ["ABORTED", 409],
  ["OUT_OF_RANGE", 400],
  ["UNIMPLEMENTED", 501],
  ["INTERNAL", 500],
  ["UNAVAILABLE", 503],
  ["DATA_LOSS", 500],
  ["UNAUTHENTICATED", 401],
];

type Info = { reason?: string; retryDelay?: string; fieldViolations?: { field: string; description: string }[] };

export function fromEnd({ status: number = 0, message = "", details = [] }: End, traceId = ""): LastmileError {
  const find = (name: string): Info | undefined => details.find((detail) => detail["@type"].endsWith(name)) as Info | undefined;
  const fields = (find("rpc.BadRequest")?.fieldViolations ?? []).map(({ field, description }) => ({ field, message: description }));
  const { reason = "" } = find("rpc.ErrorInfo") ?? {};
  const retryMs = parseFloat(find("rpc.RetryInfo")?.retryDelay ?? "") * 1000 || undefined;
  const [code, status] = CODES[number - 1] ?? (["UNKNOWN", 500] as const);
  return new LastmileError(message, { code, status, reason, fields, details, traceId, retryMs, answered: true });
}

export function outcomeUnknown(): LastmileError {
  const message = "The session is gone: what became of the call is not known.";
  return new LastmileError(message, { code: "UNAVAILABLE", reason: "session_unknown" });
}
