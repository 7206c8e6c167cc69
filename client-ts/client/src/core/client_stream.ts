/** Calls with several messages and one answer, by plain HTTP; loaded when one is made. */
import type { Method } from "./method.ts";
import { toJson } from "./request.ts";
import { type CallOptions, exchange } from "./unary.ts";
import type { Wire } from "./wire.ts";

/** Several messages, one answer. They go out when the last of them is there: browsers cannot stream a request everywhere. */
export async function callWithStream(
  wire: Wire,
  method: Method,
  inputs: Iterable<object> | AsyncIterable<object>,
  options: CallOptions = {},
): Promise<unknown> {
  let body = "";
  for await (const input of inputs) body += `${toJson(input)}\n`;
  const headers = new Headers(options.headers);
  headers.set("content-type", "application/x-ndjson");
  return exchange(wire, { verb: "POST", path: wire.own(`/${method.name}`), body }, { ...options, headers }, 1);
}
