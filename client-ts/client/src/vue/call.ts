/** A call as the state of a component: a thin helper without a cache. */
import { asError } from "../core/error.ts";
import type { LastmileError, UnaryCall } from "@lastmile/client";
import { type MaybeRefOrGetter, type Ref, shallowRef } from "vue";
import { invoke, scoped, type ScopeOptions } from "./scope.ts";

export interface UseCallOptions extends ScopeOptions {
  timeoutMs?: number;
}

export interface Call<Output> {
  data: Readonly<Ref<Output | undefined>>;
  error: Readonly<Ref<LastmileError | undefined>>;
  pending: Readonly<Ref<boolean>>;
  /** Calls again. */
  open(): void;
  /** Gives up what is on its way. */
  close(): void;
}

/** Calls at once, and again when the request changes; an answer that is late is dropped. */
export function useCall<Input, Output>(
  call: UnaryCall<Input, Output>,
  input: MaybeRefOrGetter<Input> = {} as Input,
  options: UseCallOptions = {},
): Call<Output> {
  const data = shallowRef<Output>();
  const error = shallowRef<LastmileError>();
  const pending = shallowRef(false);

  const { open, close } = scoped(input, options, (given) => {
    const abort = new AbortController();
    const { timeoutMs } = options;
    pending.value = true;
    invoke(call, given, { signal: abort.signal, ...(timeoutMs && { timeoutMs }) })
      .then(
        (answer) => !abort.signal.aborted && ([data.value, error.value] = [answer, undefined]),
        (thrown: unknown) => !abort.signal.aborted && (error.value = asError(thrown)),
      )
      .finally(() => !abort.signal.aborted && (pending.value = false));
    return () => {
      abort.abort();
      pending.value = false;
    };
  });
  return { data, error, pending, open, close };
}
