/** Calls with one answer over a session that is open anyway. What may not be sent twice is not sent twice. */
import { LastmileError } from "../core/error.ts";
import type { Method } from "../core/method.ts";
import { type CallOptions, callUnary } from "../core/unary.ts";
import type { Wire } from "../core/wire.ts";
import type { Connection } from "./connection.ts";
import { fromEnd, outcomeUnknown } from "./end.ts";

/**
 * Refused before a backend saw it: the same call may be sent elsewhere, whatever it does. One that a shutdown ends later
 * (`CUT_BY_DRAIN`) is none of these.
 */
const UNSEEN = /^(DRAINING|CALLS_EXHAUSTED)$/;

export async function callInSession(
  connection: Connection,
  wire: Wire,
  method: Method,
  input: object | undefined,
  options: CallOptions,
): Promise<unknown> {
  const begun = Date.now();
  // Somebody may have logged in since: the session is still of whoever opened it.
  const isSame = (await wire.token()) === connection.token;
  if (!isSame || !connection.isOpen) return callUnary(wire, method, input, options);
  try {
    return await call(connection, method, input, options);
  } catch (error) {
    const { code, reason } = error as LastmileError;
    const mayRepeat = code === "UNAUTHENTICATED" || UNSEEN.test(reason) || (code === "UNAVAILABLE" && method.safe);
    if (!mayRepeat) throw error;
    // By HTTP: that renews the identity, and tries again as often as makes sense.
    const { timeoutMs } = options;
    return callUnary(wire, method, input, { ...options, ...(timeoutMs && { timeoutMs: Math.max(1, timeoutMs - (Date.now() - begun)) }) });
  }
}

function call(connection: Connection, method: Method, json: object | undefined, { signal, timeoutMs }: CallOptions): Promise<unknown> {
  const { machine, traceId } = connection;
  const stop = new AbortController();
  const called = new Promise<unknown>((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    let answer: unknown = {};
    const call = machine.open(
      { method: method.name, ...(json && { json }), credit: 0, ...(timeoutMs && { timeoutMs }) },
      {
        isStream: false,
        message: (message) => (answer = message.json),
        end: (end) => (end.status ? reject(fromEnd(end, traceId)) : resolve(answer)),
        lost: () => reject(outcomeUnknown()),
      },
    );
    const giveUp = (error: unknown): void => {
      machine.cancel(call);
      reject(error);
    };
    signal?.addEventListener("abort", () => giveUp(signal.reason), { signal: stop.signal });
    const late = (): LastmileError => new LastmileError(`No answer within ${timeoutMs} ms.`, { code: "DEADLINE_EXCEEDED" });
    const timer = timeoutMs && setTimeout(() => giveUp(late()), timeoutMs);
    stop.signal.addEventListener("abort", () => clearTimeout(timer));
  });
  return called.finally(() => {
    stop.abort();
    connection.settle();
  });
}
