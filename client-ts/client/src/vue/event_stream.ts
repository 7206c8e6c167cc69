/** A plain URL of server-sent events, without generated code. */
import type { Gap, Meta, StreamState, StreamStatus } from "@lastmile/client";
import { computed, type ComputedRef, type MaybeRefOrGetter, type Ref, shallowRef, toValue } from "vue";
import { batchedRef } from "./batch.ts";
import { useLink } from "./plugin.ts";
import { scoped, type ScopeOptions } from "./scope.ts";

export interface EventStreamOptions extends ScopeOptions {
  /** Hears every event. */
  event?: (data: unknown, meta: Meta) => void;
  /** Events may be missing: read the state anew. */
  gap?: (gap: Gap) => void;
}

export interface EventStream {
  /** The newest event, at most once a frame. */
  data: Readonly<Ref<unknown>>;
  /** Its name. */
  name: Readonly<Ref<string>>;
  status: ComputedRef<StreamState>;
  open(): void;
  close(): void;
}

/** `path` is that of an edge's stream, such as `/api/v1/topics/news/events`; it resumes as generated streams do. */
export function useEventStream(path: MaybeRefOrGetter<string>, options: EventStreamOptions = {}): EventStream {
  const link = useLink();
  const data = batchedRef<unknown>(undefined);
  const name = batchedRef("");
  const status = shallowRef<StreamStatus>({ state: "idle" });

  const { open, close } = scoped(path, options, () => {
    const request = { verb: "GET", path: toValue(path) };
    return link.internals.open({
      target: { name: "", input: {}, request, headers: undefined, event: undefined },
      cursor: "",
      key: "",
      handlers: {
        event(value, meta) {
          data.set(value);
          name.set(meta.name);
          options.event?.(value, meta);
        },
        gap: options.gap ?? (() => {}),
        status: (next) => (status.value = next),
      },
    }).close;
  });
  return { data: data.ref, name: name.ref, status: computed(() => status.value.state), open, close };
}
