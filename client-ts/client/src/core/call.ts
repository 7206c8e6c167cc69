/** A stream that was asked for: for-await it, or subscribe to it. */
import { LastmileError } from "./error.ts";
import type { Method } from "./method.ts";
import type { StreamHandle, StreamHandlers } from "./stream.ts";

export interface StreamCall<Message> extends AsyncIterable<Message> {
  readonly method: Method;
  /** Opens the stream. It goes on through cuts until it is closed, ends, or fails for good. */
  subscribe(handlers: StreamHandlers<Message>): StreamHandle;
}

/** So many messages wait for a slow loop; then the connection is read no further. */
const HIGH_WATER = 256;

export function streamCall<Message>(
  method: Method,
  subscribe: (handlers: StreamHandlers<Message>) => StreamHandle,
): StreamCall<Message> {
  return {
    method,
    subscribe,
    async *[Symbol.asyncIterator]() {
      const waiting: Message[] = [];
      let failure: LastmileError | undefined;
      let isOver = false;
      let arrived = (): void => {};
      let drained = (): void => {};
      const handle = subscribe({
        event(message) {
          waiting.push(message);
          arrived();
          if (waiting.length >= HIGH_WATER) return new Promise<void>((resolve) => (drained = resolve));
        },
        gap({ reason }) {
          failure ??= new LastmileError(`Events may be missing (${reason}): read the state anew.`, { code: "OUT_OF_RANGE", reason });
          arrived();
        },
        error(error) {
          failure ??= error;
          arrived();
        },
        status({ state }) {
          isOver = state === "ended" || state === "closed";
          arrived();
        },
      });
      try {
        for (;;) {
          while (waiting.length > 0) yield waiting.shift()!;
          drained();
          if (failure) throw failure;
          if (isOver) return;
          await new Promise<void>((resolve) => (arrived = resolve));
        }
      } finally {
        handle.close();
        drained();
      }
    },
  };
}
