/** In the worker: one session, and the tabs that share it. */
import { createLadder } from "../core/ladder.ts";
import { watchPage } from "../core/page.ts";
import type { Sink } from "../core/source.ts";
import type { BidiCall } from "../session/bidi.ts";
import type { Payload } from "../session/frames.ts";
import { createSession } from "../session/index.ts";
import { createAskingWire } from "./asking_wire.ts";
import { pack, type Place, type ToTab, type ToWorker, unpack, WINDOW } from "./messages.ts";
import type { Questions } from "./questions.ts";

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
  close(): void;
}

/** `who` is whose tabs they are; empty where no token tells. */
export function createGroup(place: Place, who: string, questions: Questions): Group {
  const tabs = new Set<Tab>();

  /** Tabs know who calls: the newest is asked first, or the one that has renewed the identity. */
  async function ask(what: "token" | "renew"): Promise<string | boolean | undefined> {
    for (const tab of [...tabs].toReversed()) {
      const told = await questions.ask(tab, what);
      // It cannot renew it, or somebody else sits there now: another may.
      if (!told || told.value === false || !tabs.has(tab)) continue;
      if (told.error) throw unpack(told.error);
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

  /** Without a token a new session alone finds out who calls; else it is the same caller, and the others need not be cut. */
  function restart(tab: Tab): void {
    if (who) endWorks(tab);
    else session.restart();
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
      else if (message.type === "restart") restart(tab);
    },
    close() {
      session.close();
      ladder.close();
    },
  };
}

/** What the tab reads is opened anew, at once. */
export function endWorks(tab: Tab): void {
  for (const [id, work] of tab.works) {
    tab.works.delete(id);
    work.end();
    tab.say({ type: "end", id, ending: { retryMs: 0 } });
  }
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
