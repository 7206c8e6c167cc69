/** Reads a stream by long polls: the last resort, behind proxies that hold back every stream. */
import { watchdog } from "./clock.ts";
import { eventName } from "./event_name.ts";
import { type Ending, type Opening, resumeHeader, type Source, tellGaps } from "./source.ts";

const WAIT_S = 20;
/** How much longer than it was asked to wait an answer may take. */
const GRACE_MS = 10_000;

type Notice = { "@open"?: { streams: Opening[] }; "@skipped"?: { reason: string } };

export const readPoll: Source = async (wire, target, sink, signal): Promise<Ending> => {
  // The first answer comes at once: it tells that the stream is open, and where it stands.
  for (let wait = 0; ; wait = WAIT_S) {
    const dog = watchdog(signal, 1000 * wait + GRACE_MS);
    try {
      const resumed = sink.cursor !== "";
      const headers = [target.headers, { accept: "application/json", prefer: `wait=${wait}` }, resumeHeader(sink)];
      const response = await wire.send(target.request, { headers, signal: dog.signal });
      const elements = response.status === 200 ? ((await response.json()) as unknown[]) : [];
      const tellsOpening = elements.some((element) => Object(element)["@open"]);
      if (wait === 0 && !tellsOpening) sink.opened([{ key: "", outcome: resumed ? "RESUMED" : "FRESH" }]);
      // Only the whole answer has a cursor: what has come is handed over, even when the signal aborts meanwhile.
      dog.rest();
      for (const element of elements) {
        const { "@open": open, "@skipped": skipped } = Object(element) as Notice;
        if (open && wait === 0) sink.opened(open.streams);
        else if (open) tellGaps(sink, open.streams);
        else if (skipped) sink.gap({ reason: skipped.reason, key: "" });
        else await sink.message(element, eventName(target.event, element));
      }
      const next = /[?&]cursor=([^&>]*)/.exec(response.headers.get("link") ?? "");
      if (!next) return { ended: true };
      sink.moved(decodeURIComponent(next[1]!));
    } finally {
      dog.rest();
    }
  }
};
