/** A list that stays true: read once, then changed by the stream that continues from its cursor. */
import { backoff } from "../core/clock.ts";
import { asError, LastmileError } from "../core/error.ts";
import type { Called, CallOptions, ServerStreamCall, StreamHandle, StreamState, UnaryCall } from "@lastmile/client";
import { computed, type ComputedRef, type MaybeRefOrGetter, type Ref, shallowRef } from "vue";
import { batchedRef } from "./batch.ts";
import { invoke, scoped, type ScopeOptions } from "./scope.ts";

export interface UseLiveQueryOptions<Input, State, WatchInput, Message, Snapshot = unknown> extends ScopeOptions {
  /** Reads the state; may be left out where the stream's rule names a `snapshot`. */
  list?: UnaryCall<Input, State>;
  /** Streams its changes. */
  watch: ServerStreamCall<WatchInput, Message, Snapshot>;
  /** The state after a change. */
  apply: (state: State, message: Message) => State;
  /** Request of the list; anew when it changes. */
  input?: MaybeRefOrGetter<Input>;
  /** Request of the stream, made from the list's; equal to it unless set. */
  watchInput?: (input: Input) => WatchInput;
}

export interface LiveQuery<State> {
  /** Nothing until the list is there; then at most once a frame. */
  data: Readonly<Ref<State | undefined>>;
  status: ComputedRef<StreamState>;
  error: ComputedRef<LastmileError | undefined>;
  open(): void;
  close(): void;
}

/** When the stream tells of a gap, the list is read again: nobody looks at an old state. */
export function useLiveQuery<Input, WatchInput, Message, Snapshot, State = Snapshot>(
  options: UseLiveQueryOptions<Input, State, WatchInput, Message, Snapshot>,
): LiveQuery<State> {
  const { watch, apply, watchInput = () => ({}) as WatchInput } = options;
  const list = options.list ?? snapshotOf<Input, State>(watch);
  const data = batchedRef<State | undefined>(undefined);
  const status = shallowRef<{ state: StreamState; error?: LastmileError }>({ state: "idle" });

  const { open, close } = scoped(options.input ?? ({} as Input), options, (input) => {
    const abort = new AbortController();
    let handle: StreamHandle | undefined;
    let gaps = 0;

    async function begin(): Promise<void> {
      if (abort.signal.aborted) return;
      try {
        const state = await invoke(list, input, { signal: abort.signal });
        if (abort.signal.aborted) return;
        data.set(state);
        data.flush();
        follow(at(state, watch.method.stream?.snapshotCursor));
      } catch (thrown) {
        if (!abort.signal.aborted) status.value = { state: "failed", error: asError(thrown) };
      }
    }

    function follow(cursor: string): void {
      handle = invoke(watch, watchInput(input), { cursor }).subscribe({
        event(message) {
          gaps = 0;
          data.set(apply(data.newest as State, message));
        },
        gap() {
          handle?.close();
          // A list whose own cursor is a gap must not be asked for it without a pause.
          setTimeout(begin, gaps > 0 ? backoff(gaps) : 0);
          gaps += 1;
        },
        status: (next) => !abort.signal.aborted && (status.value = next.state === "closed" ? { state: "connecting" } : next),
      });
    }

    status.value = { state: "connecting" };
    void begin();
    return () => {
      abort.abort();
      handle?.close();
      status.value = { state: "closed" };
    };
  });

  return { data: data.ref, status: computed(() => status.value.state), error: computed(() => status.value.error), open, close };
}

/** The method that the stream's rule names: its answer has the cursor from which the stream goes on. */
function snapshotOf<Input, State>({ method, link }: Called): (input: Input, options: CallOptions) => Promise<State> {
  const { snapshot } = method.stream ?? {};
  if (!snapshot) throw new LastmileError(`useLiveQuery needs \`list\`: the rule of ${method.name} names no snapshot.`, { code: "INVALID_ARGUMENT" });
  return (input, options) => link.internals.call({ name: snapshot, kind: "unary", safe: true }, input as object, options) as Promise<State>;
}

function at(state: unknown, path = ""): string {
  const found = path.split(".").reduce<unknown>((value, name) => (value as { [name: string]: unknown } | undefined)?.[name], state);
  return typeof found === "string" ? found : "";
}
