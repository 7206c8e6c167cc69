/** A call in both directions that a worker makes for a tab. */
import { LastmileError } from "../core/error.ts";
import { toJson } from "../core/request.ts";
import type { BidiCall } from "../session/bidi.ts";
import { type Codec, JSON_CODEC, undecodable } from "../session/codec.ts";
import { outcomeUnknown } from "../session/end.ts";
import type { Payload } from "../session/frames.ts";
import type { Line } from "./line.ts";
import { type ToTab, unpack } from "./messages.ts";

export function openRemoteBidi<Input, Output>(
  line: Line,
  method: string,
  signal?: AbortSignal,
  { encoding, write, read } = JSON_CODEC as Codec<Input, Output>,
): BidiCall<Input, Output> {
  const inbox: Output[] = [];
  const turns = new Map<number, { resolve(): void; reject(error: unknown): void }>();
  let last = 0;
  let isOver = false;
  let failure: LastmileError | undefined;
  let ring = (): void => {};

  const id = line.join({
    hear(message) {
      if (message.type === "message") take(message.value);
      else if (message.type === "end") finishWith(failureOf(message));
      else if (message.type === "sent") {
        const turn = turns.get(message.turn);
        turns.delete(message.turn);
        if (message.error) turn?.reject(unpack(message.error));
        else turn?.resolve();
      }
      ring();
    },
    lost: () => finishWith(outcomeUnknown()),
  });
  line.say({ type: "bidi", id, method, encoding });
  signal?.addEventListener("abort", cancel, { once: true });

  function finishWith(error?: LastmileError): void {
    if (isOver) return;
    isOver = true;
    failure = error;
    line.part(id);
    for (const turn of turns.values()) turn.reject(error ?? new LastmileError("The call has ended.", { code: "CANCELLED" }));
    turns.clear();
    ring();
  }

  function take(content: unknown): void {
    try {
      inbox.push(read(content));
    } catch (error) {
      giveUp(undecodable(error));
    }
  }

  function cancel(): void {
    giveUp(new LastmileError("The call was cancelled.", { code: "CANCELLED" }));
  }

  function giveUp(error: LastmileError): void {
    if (isOver) return;
    line.say({ type: "cancel", id });
    finishWith(error);
  }

  function say(payload: Payload | "finish"): Promise<void> {
    if (isOver) return Promise.reject(failure ?? new LastmileError("The call has ended.", { code: "CANCELLED" }));
    return new Promise((resolve, reject) => {
      turns.set((last += 1), { resolve, reject });
      line.say({ type: "send", id, turn: last, payload });
    });
  }

  return {
    send: (message) => say(JSON.parse(toJson(write(message))) as Payload),
    finish: () => say("finish"),
    cancel,
    async *[Symbol.asyncIterator]() {
      try {
        for (;;) {
          while (inbox.length > 0) {
            yield inbox.shift()!;
            line.say({ type: "took", id });
          }
          if (failure) throw failure;
          if (isOver) return;
          await new Promise<void>((resolve) => (ring = resolve));
        }
      } finally {
        cancel();
      }
    },
  };
}

/** Cut with a session that this tab has left, it may have had more to say. */
function failureOf({ error, ending }: Extract<ToTab, { type: "end" }>): LastmileError | undefined {
  if (error) return unpack(error);
  return ending && outcomeUnknown();
}
