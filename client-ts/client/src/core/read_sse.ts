/** Reads a stream as server-sent events, by fetch: it sends headers and sees refusals, which EventSource does not. */
import { watchdog } from "./clock.ts";
import { fromProblem, LastmileError } from "./error.ts";
import { type Ending, type Opening, resumeHeader, type Source, tellGaps } from "./source.ts";
import { type Block, sseParser } from "./sse.ts";

const PATIENCE_MS = 15_000;

export const readSse: Source = async (wire, target, sink, signal) => {
  const dog = watchdog(signal, PATIENCE_MS);
  try {
    const headers = [target.headers, { accept: "text/event-stream" }, resumeHeader(sink)];
    const response = await wire.send(target.request, { headers, signal: dog.signal });
    if (response.status === 204) return { ended: true };
    const type = response.headers.get("content-type") ?? "nothing";
    if (!type.startsWith("text/event-stream")) throw stranger(wire.url(target.request.path), type);
    return await readBody(response.body!.getReader());
  } finally {
    dog.rest();
  }

  async function readBody(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Ending> {
    const decoder = new TextDecoder();
    const parse = sseParser();
    let retryMs: number | undefined;
    for (;;) {
      const { value, done } = await reader.read();
      // A cut like any other: what has no `lm-end` has not ended.
      if (done) return {};
      dog.alive();
      for (const block of parse(decoder.decode(value, { stream: true }))) {
        retryMs = block.retry ?? retryMs;
        const waiting = take(block);
        if (waiting instanceof Promise) {
          dog.rest();
          await waiting;
          dog.alive();
        } else if (waiting) return { ...waiting, retryMs };
        if (signal.aborted) throw signal.reason;
      }
    }
  }

  function take({ event, data = "", id }: Block): void | Promise<unknown> | Ending {
    if (event === undefined || !event.startsWith("lm-")) {
      if (data) return sink.message(JSON.parse(data), event, id);
      return sink.moved(id);
    }
    const told = data ? (JSON.parse(data) as { heartbeatMs?: number; streams?: Opening[]; reason?: string }) : {};
    if (told.heartbeatMs) {
      dog.alive(1.5 * told.heartbeatMs);
      sink.opened(told.streams ?? []);
    } else if (told.streams) tellGaps(sink, told.streams);
    sink.moved(id);
    if (event === "lm-skipped") sink.gap({ reason: told.reason ?? "", key: "" });
    if (event === "lm-error") throw fromProblem(data);
    if (event === "lm-end") return { ended: true };
    if (event === "lm-close") return { reason: told.reason ?? "" };
  }
};

function stranger(url: string, type: string): LastmileError {
  return new LastmileError(`${url} answers with ${type}: does baseUrl lead to an edge?`, { code: "UNAVAILABLE" });
}
