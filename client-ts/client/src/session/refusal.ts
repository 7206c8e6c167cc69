/** Why there is no session, as an error. */
import { LastmileError } from "../core/error.ts";
import type { CarrierKind } from "./carrier.ts";
import type { Goaway } from "./frames.ts";

/** The edge says so before it closes; what never opened says nothing. */
export function refusal(kind: CarrierKind, code: number | undefined, goaway: Goaway | undefined): LastmileError {
  const { reason = "", reconnectMs } = goaway ?? {};
  const known = ({ 4401: "UNAUTHENTICATED", 4403: "PERMISSION_DENIED", 4429: "RESOURCE_EXHAUSTED" } as const)[code ?? 0];
  const what = kind === "sse" ? "The event stream" : "The WebSocket";
  const advice = known === "UNAUTHENTICATED" ? " Log in, and look at what the link's `token` gives." : "";
  const message = goaway ? `The edge takes no session: ${reason}.${advice}` : `${what} could not be opened.`;
  return new LastmileError(message, { code: known ?? "UNAVAILABLE", reason, retryMs: reconnectMs, answered: goaway !== undefined });
}

/** Somebody else calls now: what was on its way for the one before is tried anew. */
export function begunAnew(): LastmileError {
  return new LastmileError("The session was begun anew.", { code: "UNAVAILABLE", retryMs: 0, answered: true });
}
