/** What a page leaves of its session to the next one, in development: the edge moves the session there by a ticket. */
import type { Wire } from "../core/wire.ts";

export interface Past {
  /** The session's secret name. */
  id: string;
  resumeMs: number;
  /** The number of the last frame had. */
  received: number;
  /** The highest number of a call. */
  highest: number;
  /** Calls that nobody waits for any more. */
  calls: number[];
}

/** A ticket for the session, with which a connection takes it over; rejects when it is not there or not to be moved. */
export async function ticketFor(wire: Wire, id: string): Promise<string> {
  const request = { verb: "POST", path: wire.own("/hmr/migrate") };
  const response = await wire.send(request, { headers: [{ "x-vite-hmr-id": id }], signal: AbortSignal.timeout(5000) });
  return ((await response.json()) as { ticket: string }).ticket;
}
