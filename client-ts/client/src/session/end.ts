/** How a call of a session failed. */
import { type Code, LastmileError } from "../core/error.ts";
import type { End } from "./frames.ts";

/** By their numbers in gRPC, from 1. */
const CODES: readonly Code[] = [
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
];

type Info = { reason?: string; fieldViolations?: { field: string; description: string }[] };

export function fromEnd({ status = 0, message = "", details = [] }: End): LastmileError {
  const find = (name: string): Info | undefined => details.find((detail) => detail["@type"].endsWith(name)) as Info | undefined;
  const fields = (find("rpc.BadRequest")?.fieldViolations ?? []).map(({ field, description }) => ({ field, message: description }));
  const { reason = "" } = find("rpc.ErrorInfo") ?? {};
  return new LastmileError(message, { code: CODES[status - 1] ?? "UNKNOWN", reason, fields, details, answered: true });
}
