/** A stream as the state of a component. */
import type { Gap, LastmileError, Meta, Outcome, ServerStreamCall, StreamHandle, StreamState, StreamStatus } from "@lastmile/client";
import { computed, type ComputedRef, type MaybeRefOrGetter, type Ref, shallowRef } from "vue";
import { batchedRef } from "./batch.ts";
import { invoke, scoped, type ScopeOptions } from "./scope.ts";

export interface UseStreamOptions<Message, State> extends ScopeOptions {
  /** Makes the next state from the last one; without it the state is the newest message. */
  reduce?: (state: State, message: Message, meta: Meta) => State;
  /** The state before the first message. */
  initial?: State;
  /** Hears every message, also those that come faster than the screen shows states. */
  event?: (message: Message, meta: Meta) => void;
  /** Events may be missing: read the state anew. Without it the state begins anew with `initial`. */
  gap?: (gap: Gap) => void;
}

export interface Stream<State> {
  /** At most once a frame. */
  data: Readonly<Ref<State>>;
  status: ComputedRef<StreamState>;
  outcome: ComputedRef<Outcome | undefined>;
  error: ComputedRef<LastmileError | undefined>;
  open(): void;
  close(): void;
  /** Cuts the connection and continues after the last event. */
  reconnect(): void;
}

export function useStream<Input, Message, State>(
  call: ServerStreamCall<Input, Message>,
  input: MaybeRefOrGetter<Input>,
  options: UseStreamOptions<Message, State> & { reduce: (state: State, message: Message, meta: Meta) => State; initial: State },
): Stream<State>;
export function useStream<Input, Message>(
  call: ServerStreamCall<Input, Message>,
  input?: MaybeRefOrGetter<Input>,
  options?: UseStreamOptions<Message, Message | undefined>,
): Stream<Message | undefined>;
export function useStream<Input, Message, State>(
  call: ServerStreamCall<Input, Message>,
  input: MaybeRefOrGetter<Input> = {} as Input,
  options: UseStreamOptions<Message, State> = {},
): Stream<State> {
  const { reduce = (_: State, message: Message) => message as unknown as State, initial } = options;
  const data = batchedRef(initial as State);
  const status = shallowRef<StreamStatus>({ state: "idle" });
  let handle: StreamHandle | undefined;

  const { open, close } = scoped(input, options, (given) => {
    data.set(initial as State);
    handle = invoke(call, given).subscribe({
      event(message, meta) {
        data.set(reduce(data.newest, message, meta));
        options.event?.(message, meta);
      },
      gap: options.gap ?? (() => data.set(initial as State)),
      status: (next) => (status.value = next),
      end: data.flush,
    });
    return handle.close;
  });

  return {
    data: data.ref,
    status: computed(() => status.value.state),
    outcome: computed(() => status.value.outcome),
    error: computed(() => status.value.error),
    open,
    close,
    reconnect: () => handle?.reconnect(),
  };
}
