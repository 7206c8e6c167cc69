/** A call in both directions: it lives in the session, and survives its connections. */
import { backoff } from "../core/clock.ts";
import { asError, LastmileError } from "../core/error.ts";
import { fromEnd, outcomeUnknown } from "./end.ts";
import { type Codec, JSON_CODEC, undecodable } from "./codec.ts";
import type { Connection } from "./connection.ts";
import { contentOf } from "./frames.ts";

/** Messages go both ways until one side has had enough. */
export interface BidiCall<Input, Output> extends AsyncIterable<Output> {
  /** Sends a message; resolves when it is on its way, rejects when the call is over. */
  send(message: Input): Promise<void>;
  /** Says that no more messages follow; answers still come. */
  finish(): Promise<void>;
  /** Ends the call, whatever is on its way. */
  cancel(): void;
}

const WINDOW = 64;

/** While nothing was sent, it is tried so often, on whatever gets through. */
const TRIES = 5;

/** `current` is the connection of new calls: it may be another one later. */
export function openBidi<Input, Output>(
  current: () => Connection,
  method: string,
  signal?: AbortSignal,
  { encoding, write, read } = JSON_CODEC as Codec<Input, Output>,
): BidiCall<Input, Output> {
  let connection = current();
  const inbox: Output[] = [];
  let credit = 0;
  let isOver = false;
  let failure: LastmileError | undefined;
  let consumed = 0;
  let outbox: Promise<void> = Promise.resolve();
  const waiting = new Set<() => void>();
  const ring = (): void => {
    for (const wake of waiting) wake();
    waiting.clear();
  };
  const bell = (): Promise<void> => new Promise((resolve) => waiting.add(resolve));

  const opening = begin();
  // Whoever sends or reads hears of it.
  opening.catch((error: LastmileError) => finishWith(error));
  signal?.addEventListener("abort", cancel, { once: true });

  async function begin(): Promise<number> {
    connection = await connected(current, () => isOver);
    return connection.machine.open(
      { method, credit: WINDOW, ...(encoding && { encoding }) },
      {
        isStream: false,
        message: (message) => {
          try {
            inbox.push(read(contentOf(message)));
            ring();
          } catch (error) {
            giveUp(undecodable(error));
          }
        },
        credit: (messages) => {
          credit += messages;
          ring();
        },
        end: (end) => finishWith(end.status ? fromEnd(end) : undefined),
        lost: () => finishWith(outcomeUnknown()),
      },
    );
  }

  function finishWith(error?: LastmileError): void {
    isOver = true;
    failure ??= error;
    ring();
    connection.settle();
  }

  function cancel(): void {
    giveUp(new LastmileError("The call was cancelled.", { code: "CANCELLED" }));
  }

  function giveUp(error: LastmileError): void {
    if (isOver) return;
    finishWith(error);
    opening.then((call) => connection.machine.cancel(call), () => {});
  }

  /** One after the other, each when the edge has room for it. */
  function inTurn(work: (call: number) => void, price: number): Promise<void> {
    const turn = outbox.then(async () => {
      const call = await opening;
      while (credit < price && !isOver) await bell();
      if (isOver) throw failure ?? new LastmileError("The call has ended.", { code: "CANCELLED" });
      credit -= price;
      work(call);
    });
    outbox = turn.catch(() => {});
    return turn;
  }

  return {
    send: (message) => inTurn((call) => connection.machine.send({ send: { call, ...write(message) } }), 1),
    finish: () => inTurn((call) => connection.machine.send({ halfClose: { call } }), 0),
    cancel,
    async *[Symbol.asyncIterator]() {
      try {
        for (;;) {
          while (inbox.length > 0) {
            yield inbox.shift()!;
            consumed += 1;
            if (consumed % (WINDOW / 2) > 0) continue;
            connection.machine.send({ credit: { call: await opening, messages: WINDOW / 2 } });
          }
          if (failure) throw failure;
          if (isOver) return;
          await bell();
        }
      } finally {
        cancel();
      }
    },
  };
}

async function connected(current: () => Connection, isOver: () => boolean): Promise<Connection> {
  for (let failures = 0; ; ) {
    const connection = current();
    try {
      await connection.connect();
      if (connection === current()) return connection;
    } catch (thrown) {
      const error = asError(thrown);
      failures += 1;
      if (error.final || isOver() || failures >= TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, error.retryMs ?? backoff(failures)));
    }
  }
}
