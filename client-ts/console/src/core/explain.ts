/** A failure in a title and a sentence that say what to do. */
import { type Code, LastmileError } from "@lastmile/client";

const TITLES: { readonly [code in Code]?: string } = {
  UNAUTHENTICATED: "Not logged in",
  PERMISSION_DENIED: "Not allowed",
  NOT_FOUND: "Not there",
  ALREADY_EXISTS: "There is one already",
  INVALID_ARGUMENT: "Not valid",
  RESOURCE_EXHAUSTED: "Too much at once",
  ABORTED: "Somebody was faster",
  OUT_OF_RANGE: "Too old",
  DEADLINE_EXCEEDED: "Too slow",
  UNAVAILABLE: "Not reachable",
  UNIMPLEMENTED: "Not offered",
};

export function titleOf({ code }: LastmileError): string {
  return TITLES[code] ?? "It failed";
}

/** What the edge said; where nobody said anything, what to look at. */
export function adviceOf({ message, code, answered, status }: LastmileError): string {
  if (answered || status > 0) return message;
  if (code === "UNAVAILABLE") return `${message} See whether it runs (make run starts it) and whether this device is online, then try again.`;
  return message;
}

export function asLastmileError(error: unknown): LastmileError {
  if (error instanceof LastmileError) return error;
  // fetch rejects with a TypeError, and says nothing more, when no answer came.
  if (error instanceof TypeError) return new LastmileError("The edge does not answer.", { code: "UNAVAILABLE" });
  return new LastmileError(error instanceof Error ? error.message : String(error));
}
