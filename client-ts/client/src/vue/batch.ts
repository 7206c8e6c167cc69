/** A ref for values that change faster than a screen shows them: watchers hear once a frame. */
import { customRef, type Ref } from "vue";

export interface BatchedRef<T> {
  /** Shallow: what is inside is not reactive. */
  readonly ref: Readonly<Ref<T>>;
  /** What is newest, painted or not. */
  readonly newest: T;
  set(value: T): void;
  /** Shows what is newest at once. */
  flush(): void;
}

export function batchedRef<T>(initial: T): BatchedRef<T> {
  let newest = initial;
  let shown = initial;
  let isWaiting = false;
  let show = (): void => {};
  const flush = (): void => {
    isWaiting = false;
    if (shown === newest) return;
    shown = newest;
    show();
  };
  const ref = customRef<T>((track, trigger) => {
    show = trigger;
    return { get: () => (track(), shown), set: () => {} };
  });
  return {
    ref,
    get newest() {
      return newest;
    },
    set(value) {
      newest = value;
      if (isWaiting) return;
      isWaiting = true;
      onFrame(flush);
    },
    flush,
  };
}

/** A hidden page paints nothing, but its state must not stand still. */
function onFrame(work: () => void): void {
  if (typeof requestAnimationFrame === "undefined" || document.hidden) setTimeout(work);
  else requestAnimationFrame(work);
}
