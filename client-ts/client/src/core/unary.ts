/** Calls with one answer, by plain HTTP. */
import { backoff } from "./clock.ts";
import { asError, LastmileError } from "./error.ts";
import type { Method } from "./method.ts";
import type { HttpRequest } from "./request.ts";
import type { Wire } from "./wire.ts";

export interface CallOptions {
  signal?: AbortSignal;
  /** Gives up after so long, here and at the backend. */
  timeoutMs?: number;
  headers?: HeadersInit;
}

/** A call that changes nothing is made so many times, when the edge cannot be reached or is busy. */
const TRIES = 3;

export async function callUnary(wire: Wire, method: Method, input: object | undefined, options: CallOptions = {}): Promise<unknown> {
  return exchange(wire, wire.request(method, input), options, method.safe ? TRIES : 1);
}

/** Sends, and sends again as often as `tries` allows. */
export async function exchange(
  wire: Wire,
  request: HttpRequest,
  options: CallOptions,
  tries: number,
  read = (response: Response): Promise<unknown> => response.json(),
): Promise<unknown> {
  const { signal, timeoutMs } = options;
  const headers = [{ accept: "application/json", ...(timeoutMs && { "connect-timeout-ms": `${timeoutMs}` }) }, options.headers];
  const limits = [signal, timeoutMs ? AbortSignal.timeout(timeoutMs) : undefined].filter((each) => each !== undefined);
  const limit = AbortSignal.any(limits);
  for (let failures = 0; ; failures += 1) {
    try {
      const response = await wire.send(request, { headers, signal: limit });
      return response.status === 204 ? {} : await read(response);
    } catch (thrown) {
      if (signal?.aborted) throw signal.reason;
      if (limit.aborted) throw new LastmileError(`No answer within ${timeoutMs} ms.`, { code: "DEADLINE_EXCEEDED" });
      const error = asError(thrown);
      if (error.code !== "UNAVAILABLE" || failures + 1 >= tries) throw error;
      await pause(error.retryMs ?? backoff(failures), limit);
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
    signal.addEventListener("abort", resolve);
  });
}
