/** When a composable works: in a browser, while it is enabled, anew for each request, until its scope ends. */
import { type MaybeRefOrGetter, onScopeDispose, toValue, watch } from "vue";

export interface ScopeOptions {
  /** False: closed until it is true. */
  enabled?: MaybeRefOrGetter<boolean> | undefined;
  /** False: begins with `open()`, not by itself. */
  immediate?: boolean | undefined;
}

export interface Scope {
  open(): void;
  close(): void;
}

/** `begin` gets the request and returns how to end. A request that is equal to the last begins nothing anew. */
export function scoped<Input>(input: MaybeRefOrGetter<Input>, options: ScopeOptions, begin: (input: Input) => () => void): Scope {
  let end: (() => void) | undefined;
  let isWanted = options.immediate !== false;

  const close = (): void => {
    end?.();
    end = undefined;
  };
  function open(): void {
    close();
    if (typeof window === "undefined") return;
    if (isWanted && toValue(options.enabled ?? true)) end = begin(toValue(input));
  }

  // In JSON: a getter makes a new object every time.
  watch(() => [JSON.stringify(toValue(input)), toValue(options.enabled ?? true)].join(), open);
  open();
  onScopeDispose(close);
  return {
    open() {
      isWanted = true;
      open();
    },
    close() {
      isWanted = false;
      close();
    },
  };
}

/** Calls with a request that may be left out or not: its type does not know which. */
export function invoke<Input, Result>(call: (...args: never) => Result, input: Input, options?: object): Result {
  return (call as unknown as (input: Input, options?: object) => Result)(input, options);
}
