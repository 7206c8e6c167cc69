/** A session where a WebSocket does not get through: the edge's frames as server-sent events, ours by requests beside them. */
import { backoff } from "../core/clock.ts";
import { asError, LastmileError } from "../core/error.ts";
import { toJson } from "../core/request.ts";
import { sseParser } from "../core/sse.ts";
import type { Wire } from "../core/wire.ts";
import type { Carrier, Listener } from "./carrier.ts";
import type { ClientFrame, Hello, ServerFrame } from "./frames.ts";

/** So many frames go by one request. */
const AT_ONCE = 256;
const POST_MS = 15_000;

export function openLeg(wire: Wire, { frame, alive, closed }: Listener): Carrier {
  let session = "";
  let waiting: { frame: ClientFrame; number: number }[] = [];
  let reading = new AbortController();
  const posting = new AbortController();
  let isPosting = false;
  let isLeaving = false;

  async function read({ session: known = "", received = 0, ticket = "" }: Hello, { signal }: AbortController): Promise<void> {
    const query = new URLSearchParams({ fallback: "1" });
    if (known) query.set("session", known);
    if (known || ticket) query.set("received", `${received}`);
    if (ticket) query.set("ticket", ticket);
    const path = wire.own(`/stream?${query}`);
    const response = await wire.send({ verb: "GET", path }, { headers: [{ accept: "text/event-stream" }], signal });
    if (!response.headers.get("content-type")?.startsWith("text/event-stream")) throw stranger(wire.url(path));
    const reader = response.body!.getReader();
    const decoder = new TextDecoder();
    const parse = sseParser();
    for (;;) {
      const { value, done } = await reader.read();
      if (done || signal.aborted) return;
      alive();
      for (const { event, data } of parse(decoder.decode(value, { stream: true }))) {
        // Words of the stream itself, which follow a frame that has said as much.
        if (data && !event) take(JSON.parse(data) as ServerFrame);
      }
    }
  }

  function take(told: ServerFrame): void {
    session = told.ready?.session ?? session;
    frame(told);
  }

  /** One request at a time keeps frames in order. One that may have arrived is sent again: the edge knows their numbers. */
  async function post(): Promise<void> {
    if (isPosting) return;
    isPosting = true;
    for (let failures = 0; waiting.length > 0 && !posting.signal.aborted; ) {
      const batch = waiting.slice(0, AT_ONCE);
      try {
        const body = batch.map((each) => toJson(each.frame)).join("\n");
        const path = wire.own(`/stream/${session}?first=${batch[0]!.number}`);
        const headers = [{ "content-type": "application/x-ndjson" }];
        const response = await wire.send({ verb: "POST", path, body }, { headers, signal: AbortSignal.any([posting.signal, AbortSignal.timeout(POST_MS)]) });
        waiting = waiting.slice(batch.length);
        failures = 0;
        frame({ ack: (await response.json()) as { received: number } });
      } catch (thrown) {
        const error = asError(thrown);
        // The edge has not got them, or not this session any more: another connection finds out.
        if (isLeaving || posting.signal.aborted || !/^(UNAVAIL|RESOURCE)/.test(error.code)) return leave(error);
        await new Promise((resolve) => setTimeout(resolve, error.retryMs ?? backoff(failures++)));
      }
    }
    isPosting = false;
  }

  function leave(error?: unknown): void {
    posting.abort();
    reading.abort();
    if (!isLeaving) closed({ error });
  }

  return {
    kind: "sse",
    greet(hello) {
      reading.abort();
      const mine = (reading = new AbortController());
      read(hello, mine).then(
        () => mine.signal.aborted || leave(),
        (error: unknown) => mine.signal.aborted || leave(error),
      );
    },
    send(told, number) {
      waiting.push({ frame: told, number });
      // Together with what is said in the same moment.
      queueMicrotask(post);
    },
    close(isForGood) {
      isLeaving = true;
      reading.abort();
      if (!isForGood) posting.abort();
    },
  };
}

function stranger(url: string): LastmileError {
  return new LastmileError(`${url} answers with no stream: does baseUrl lead to an edge?`, { code: "UNAVAILABLE" });
}
