/** Reads a stream as a call of a session: one socket for all of them. */
import type { Ending, Sink, Target } from "../core/source.ts";
import { fromEnd } from "./end.ts";
import { contentOf, type Message, type Opened } from "./frames.ts";
import type { Connection } from "./connection.ts";

/** So many messages may be on their way or wait for a slow reader; half of them are asked for again at a time. */
const WINDOW = 256;

export async function readCall(connection: Connection, target: Target, sink: Sink, signal: AbortSignal): Promise<Ending> {
  await connection.connect();
  if (signal.aborted) throw signal.reason;
  const ending = new Promise<Ending>((resolve, reject) => follow(connection, target, sink, signal, resolve, reject));
  return ending.finally(() => connection.settle());
}

function follow(
  connection: Connection,
  target: Target,
  sink: Sink,
  signal: AbortSignal,
  resolve: (ending: Ending) => void,
  reject: (error: unknown) => void,
): void {
  const { machine } = connection;
  const inbox: (() => void | Promise<unknown>)[] = [];
  let isBusy = false;
  let isAnswered = false;
  let isOpened = false;
  let consumed = 0;

  /** One after the other: what a handler waits for holds back everything behind it, the end too. */
  async function drain(): Promise<void> {
    if (isBusy) return;
    isBusy = true;
    try {
      for (let next = inbox.shift(); next && !signal.aborted; next = inbox.shift()) {
        const waiting = next();
        if (waiting) await waiting;
      }
    } finally {
      isBusy = false;
    }
  }

  function opened({ outcome = "OUTCOME_FRESH", reason = "", cursor }: Opened): void {
    if (isOpened) sink.gap({ key: "", reason });
    else sink.opened([{ key: "", outcome: outcome.slice("OUTCOME_".length) as "GAP", reason }], connection.kind);
    isOpened = true;
    sink.moved(cursor);
  }

  function message({ event, cursor, ...payload }: Message): void | Promise<unknown> {
    consumed += 1;
    if (consumed % (WINDOW / 2) === 0) machine.send({ credit: { call, messages: WINDOW / 2 } });
    const content = contentOf(payload);
    return content === undefined ? sink.moved(cursor) : sink.message(content, event, cursor);
  }

  function later(next: () => void | Promise<unknown>): void {
    inbox.push(next);
    // Rather opened anew than silent.
    drain().catch((error: unknown) => {
      machine.cancel(call);
      reject(error);
    });
  }

  const { proto } = target;
  const payload = proto === undefined ? { json: target.input } : { proto, encoding: "ENCODING_PROTO" as const };
  const open = { method: target.name, ...payload, credit: WINDOW, ...(sink.cursor && { cursor: sink.cursor }) };
  const call = machine.open(open, {
    isStream: true,
    opened: (told) => {
      // Later an edge that says nothing of an outcome has merely joined the call to a channel.
      if (told.outcome || !isAnswered) later(() => opened(told));
      isAnswered = true;
    },
    message: (told) => later(() => message(told)),
    end: (end) => later(() => (end.status ? reject(fromEnd(end)) : resolve({ ended: true }))),
    // What has come is handed over first: the stream goes on behind it. One that never opened tells why.
    lost: (retryMs, error) => later(() => (error && !isAnswered ? reject(error) : resolve({ retryMs }))),
  });
  signal.addEventListener("abort", () => {
    machine.cancel(call);
    reject(signal.reason);
  });
}
