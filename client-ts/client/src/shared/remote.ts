/** A tab's side of a session that lives in a worker, for all tabs. */
import type { Ladder } from "../core/ladder.ts";
import type { Page } from "../core/page.ts";
import { toJson } from "../core/request.ts";
import type { Ending, Sink, Source } from "../core/source.ts";
import type { Wire } from "../core/wire.ts";
import type { BidiCall } from "../session/bidi.ts";
import type { Codec } from "../session/codec.ts";
import type { Session } from "../session/index.ts";
import type { Line, Part } from "./line.ts";
import { openRemoteBidi } from "./remote_bidi.ts";
import { pack, type Place, type ToTab, type ToWorker, unpack } from "./messages.ts";

/** `open` makes the worker: another one when it has died. */
export async function createRemoteSession(wire: Wire, page: Page, ladder: Ladder, open: () => SharedWorker, options: Partial<Place>): Promise<Session> {
  const { baseUrl = "", prefix = "", credentials = "same-origin", transports = ["websocket", "sse"] } = options;
  const place: Place = { baseUrl, prefix, credentials, transports };
  const parts = new Map<number, Part>();
  const lock = `lastmile-tab-${crypto.randomUUID()}`;
  let last = 0;
  /** For whom the worker was told to work. */
  let who = "";
  let port: MessagePort;
  let waiting: ToWorker[] | undefined;
  /** The lock of the worker: it is to be had when the worker is gone. */
  let alive = "";

  // Held until the tab is gone: then the worker gives up what it did for it.
  await new Promise<void>((held) => void navigator.locks.request(lock, () => (held(), new Promise(() => {}))));

  /** Nothing is asked for before the worker knows for whom. */
  async function greet(): Promise<void> {
    waiting ??= [];
    who = subject(await wire.token());
    port.postMessage({ type: "hello", place, who, lock } satisfies ToWorker);
    const said = waiting;
    waiting = undefined;
    said?.forEach(say);
  }

  function connect(): void {
    ({ port } = open());
    port.onmessage = ({ data }: MessageEvent<ToTab>) => hear(data);
    void greet();
  }

  function say(message: ToWorker): void {
    if (waiting) waiting.push(message);
    else port.postMessage(message);
  }

  function hear(message: ToTab): void {
    switch (message.type) {
      case "welcome":
        ladder.follow(message.transport);
        if (alive !== message.lock) void navigator.locks.request((alive = message.lock), died);
        return;
      case "ask":
        return void answer(message.ask, message.what);
      default:
        parts.get(message.id)?.hear(message);
    }
  }

  async function answer(ask: number, what: "token" | "renew"): Promise<void> {
    try {
      const value = what === "token" ? await ownToken() : await renew();
      port.postMessage({ type: "answer", ask, value } satisfies ToWorker);
    } catch (error) {
      port.postMessage({ type: "answer", ask, error: pack(error) } satisfies ToWorker);
    }
  }

  /** Somebody else who sits here by now must not speak for the one before: false then, and the worker hears of it. */
  async function ownToken(): Promise<string | false> {
    const token = await wire.token();
    if (subject(token) === who) return token;
    void greet();
    return false;
  }

  async function renew(): Promise<boolean> {
    if ((await ownToken()) === false || !(await wire.renew(wire.renewals))) return false;
    const token = await wire.token();
    // One that tells of nobody is of whom it was renewed for.
    if (subject(token) === token) who = token;
    return (await ownToken()) !== false;
  }

  function died(): void {
    connect();
    const all = [...parts.values()];
    parts.clear();
    for (const part of all) part.lost();
  }

  const line: Line = {
    say,
    join(part) {
      parts.set((last += 1), part);
      return last;
    },
    part: (id) => void parts.delete(id),
  };

  connect();
  const unwatch = page.watch(() => !page.away && say({ type: "wake" }));
  return {
    read: (_, target, sink, signal) => readRemotely(line, ladder, target, sink, signal),
    bidi: <Input, Output>(method: string, signal?: AbortSignal, codec?: Codec<Input, Output>): BidiCall<Input, Output> =>
      openRemoteBidi(line, method, signal, codec),
    // By HTTP: each tab for itself.
    call: () => undefined,
    // The worker climbs by itself, and tells; from polls a tab comes back by itself.
    async move(kind, commit) {
      say({ type: "wake" });
      if (ladder.transport === "poll" || kind === "sse") commit();
    },
    restart: () => void greet().then(() => say({ type: "restart" })),
    close() {
      unwatch();
      for (const id of parts.keys()) say({ type: "cancel", id });
    },
    keep: () => undefined,
  };
}

function readRemotely(line: Line, ladder: Ladder, target: Parameters<Source>[1], sink: Sink, signal: AbortSignal): Promise<Ending> {
  return new Promise((resolve, reject) => {
    // One after the other, as the handlers take them.
    let turn: Promise<unknown> = Promise.resolve();
    const next = (work: () => unknown): void => void (turn = turn.then(() => !signal.aborted && work()).catch(giveUp));
    const id = line.join({
      hear(message) {
        if (message.type === "opened") {
          const { transport } = message;
          next(() => (ladder.follow(transport), sink.opened(message.streams, transport)));
        }
        else if (message.type === "moved") next(() => sink.moved(message.cursor));
        else if (message.type === "gap") next(() => sink.gap(message.gap));
        else if (message.type === "message") {
          next(async () => {
            await sink.message(message.value, message.name, message.cursor);
            line.say({ type: "took", id });
          });
        } else if (message.type === "end") {
          line.part(id);
          next(() => (message.error ? reject(unpack(message.error)) : resolve(message.ending ?? {})));
        }
      },
      lost: () => next(() => resolve({})),
    });
    const { name, input, proto } = target;
    // Whatever was given (reactive objects, for instance), as what can go to a worker.
    const plain = JSON.parse(toJson(input)) as object;
    line.say({ type: "read", id, target: { name, input: plain, ...(proto !== undefined && { proto }) }, cursor: sink.cursor });
    const giveUp = (error: unknown): void => {
      line.part(id);
      line.say({ type: "cancel", id });
      reject(error);
    };
    signal.addEventListener("abort", () => giveUp(signal.reason));
  });
}

/** Whose token it is: another token of the same caller belongs to the same session. */
function subject(token: string): string {
  try {
    const { iss, sub } = JSON.parse(atob(token.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/"))) as { iss?: string; sub?: string };
    if (sub) return JSON.stringify([iss, sub]);
  } catch {
    // Not a JWT.
  }
  return token;
}
