/** In the worker: one session, and the tabs that share it. */
import { createLadder } from "../core/ladder.ts";
import { watchPage } from "../core/page.ts";
import type { Sink } from "../core/source.ts";
import type { BidiCall } from "../session/bidi.ts";
import type { Payload } from "../session/frames.ts";
import { createSession } from "../session/index.ts";
import { createAskingWire } from "./asking_wire.ts";
import { pack, type Place, type ToTab, type ToWorker, unpack, WINDOW } from "./messages.ts";

/** A tab, as the session sees it. */
export interface Tab {
  say(message: ToTab): void;
  /** What it reads and calls: how to end it, and how to hear that it took something. */
  readonly works: Map<number, Work>;
}

interface Work {
  end(): void;
  took(): void;
  send?(turn: number, payload: Payload | "finish"): void;
}

export interface Group {
  readonly tabs: Set<Tab>;
  readonly transport: Place["transports"][number];
  take(tab: Tab, message: ToWorker): void;
  /** Answers what was asked of tabs. */
  answered(message: Extract<ToWorker, { type: "answer" }>): void;
  close(): void;
}

/** How long a tab may take to answer before another one is asked. */
const ANSWER_MS = 10_000;

export function createGroup(place: Place): Group {
  const tabs = new Set<Tab>();
  const asked = new Map<number, (message: Extract<ToWorker, { type: "answer" }>) => void>();
  let last = 0;

  /** Tabs know who calls: the newest is asked first, or the one that has renewed the identity. */
  async function ask(what: "token" | "renew"): Promise<string | boolean | undefined> {
    for (const tab of [...tabs].toReversed()) {
      const told = await new Promise<Extract<ToWorker, { type: "answer" }> | undefined>((resolve) => {
        asked.set((last += 1), resolve);
        tab.say({ type: "ask", ask: last, what });
        setTimeout(resolve, ANSWER_MS);
      });
      if (told?.error) throw unpack(told.error);
      // It cannot renew it: another may.
      if (!told || told.value === false) continue;
      if (what === "renew" && tabs.delete(tab)) tabs.add(tab);
      return told.value;
    }
    return undefined;
  }

  const wire = createAskingWire(place, ask);
  // Polls are each tab's own affair.
  const ladder = createLadder(place.transports.filter((each) => each !== "poll"), wire.probe, (better, commit) =>
    better === "poll" ? commit() : session.move(better, commit),
  );
  const session = createSession(wire, watchPage(), ladder, WebSocket);

  function read(tab: Tab, { id, target, cursor }: Extract<ToWorker, { type: "read" }>): void {
    const abort = new AbortController();
    const room = roomOf(tab, id, () => abort.abort());
    const sink: Sink = {
      cursor,
      opened: (streams, transport = ladder.transport) => tab.say({ type: "opened", id, streams, transport }),
      message: (value, name, at) => (tab.say({ type: "message", id, value, name, cursor: at }), room()),
      moved: (at) => tab.say({ type: "moved", id, cursor: at }),
      gap: (gap) => tab.say({ type: "gap", id, gap }),
    };
    const whole = { ...target, request: { verb: "", path: "" }, headers: undefined, event: undefined };
    session.read(wire, whole, sink, abort.signal).then(
      (ending) => finish(tab, id, { type: "end", id, ending }),
      (error: unknown) => finish(tab, id, { type: "end", id, error: pack(error) }),
    );
  }

  function bidi(tab: Tab, { id, method, encoding }: Extract<ToWorker, { type: "bidi" }>): void {
    const call: BidiCall<Payload, unknown> = session.bidi(method, undefined, {
      ...(encoding && { encoding }),
      write: (payload: Payload) => payload,
      read: (content: unknown) => content,
    });
    const room = roomOf(tab, id, () => call.cancel());
    tab.works.get(id)!.send = (turn, payload) => {
      const sending = payload === "finish" ? call.finish() : call.send(payload);
      sending.then(
        () => tab.say({ type: "sent", id, turn }),
        (error: unknown) => tab.say({ type: "sent", id, turn, error: pack(error) }),
      );
    };
    void (async () => {
      try {
        for await (const value of call) {
          tab.say({ type: "message", id, value });
          await room();
        }
        finish(tab, id, { type: "end", id });
      } catch (error) {
        finish(tab, id, { type: "end", id, error: pack(error) });
      }
    })();
  }

  function finish(tab: Tab, id: number, message: ToTab): void {
    if (tab.works.delete(id)) tab.say(message);
  }

  return {
    tabs,
    get transport() {
      return ladder.transport;
    },
    take(tab, message) {
      if (message.type === "read") read(tab, message);
      else if (message.type === "bidi") bidi(tab, message);
      else if (message.type === "send") tab.works.get(message.id)?.send?.(message.turn, message.payload);
      else if (message.type === "took") tab.works.get(message.id)?.took();
      else if (message.type === "cancel") {
        const work = tab.works.get(message.id);
        tab.works.delete(message.id);
        work?.end();
      } else if (message.type === "wake") void ladder.climb();
      else if (message.type === "restart") session.restart();
    },
    answered(message) {
      asked.get(message.ask)?.(message);
      asked.delete(message.ask);
    },
    close() {
      session.close();
      ladder.close();
    },
  };
}

/** Notes a work of a tab. The result waits while the tab has too much before it. */
function roomOf(tab: Tab, id: number, end: () => void): () => void | Promise<void> {
  let ahead = 0;
  let wake = (): void => {};
  tab.works.set(id, {
    end,
    took() {
      ahead -= 1;
      wake();
    },
  });
  return () => {
    ahead += 1;
    if (ahead >= WINDOW) return new Promise((resolve) => (wake = resolve));
  };
}
