/** The edge's numbers, read every two seconds while somebody looks. */
import type { LastmileError } from "@lastmile/client";
import { onActivated, onDeactivated, onScopeDispose, shallowRef } from "vue";
import { asLastmileError } from "../core/explain.ts";
import { addReading, type History, noHistory, parseMetrics } from "../core/metrics.ts";
import { readMetrics } from "../core/own.ts";

const EVERY_MS = 2000;

export function useMetrics() {
  const history = shallowRef<History>(noHistory);
  const error = shallowRef<LastmileError>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isOver = true;

  async function read(): Promise<void> {
    try {
      const text = await readMetrics();
      history.value = addReading(history.value, parseMetrics(text), Date.now() / 1000);
      error.value = undefined;
    } catch (thrown) {
      error.value = asLastmileError(thrown);
    }
    clearTimeout(timer);
    // Who does not serve them will not begin to.
    if (!isOver && !error.value?.final) timer = setTimeout(read, EVERY_MS);
  }

  function start(): void {
    if (!isOver) return;
    isOver = false;
    void read();
  }
  function stop(): void {
    isOver = true;
    clearTimeout(timer);
  }

  start();
  onActivated(start);
  onDeactivated(stop);
  onScopeDispose(stop);
  return { history, error, read };
}
