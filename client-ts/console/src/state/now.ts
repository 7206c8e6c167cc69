/** The time, for what counts down. */
import { onActivated, onDeactivated, onScopeDispose, type Ref, ref } from "vue";

export function useNow(everyMs = 1000): Ref<number> {
  const now = ref(Date.now());
  let timer: ReturnType<typeof setInterval> | undefined;
  const stop = (): void => clearInterval(timer);
  const start = (): void => {
    stop();
    now.value = Date.now();
    timer = setInterval(() => (now.value = Date.now()), everyMs);
  };
  start();
  onActivated(start);
  onDeactivated(stop);
  onScopeDispose(stop);
  return now;
}
