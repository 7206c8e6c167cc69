/** One topic as the page shows it: its latest events, then everything that follows, live. */
import type { StreamHandle, StreamStatus } from "@lastmile/client";
import { batchedRef } from "@lastmile/client/vue";
import { computed, onScopeDispose, type Ref, ref, shallowRef, watch } from "vue";
import { addEvent, addGap, addMark, emptyJournal, type Journal, newestCursor } from "../core/journal.ts";
import { topics } from "./link.ts";
import { session } from "./session.ts";

/** Events of the past that a topic opens with. */
const LATEST = 30;

export function useTopic(name: Ref<string>) {
  const journal = batchedRef<Journal>(emptyJournal);
  const held = shallowRef<Journal>();
  const status = shallowRef<StreamStatus>({ state: "idle" });
  const reconnects = ref(0);
  let handle: StreamHandle | undefined;

  const add = (next: (journal: Journal) => Journal): void => journal.set(next(journal.newest));

  function open(): void {
    handle?.close();
    journal.set(emptyJournal);
    journal.flush();
    held.value = undefined;
    reconnects.value = 0;
    if (!name.value) return;
    let opens = 0;
    const own = topics.subscribe({ topic: name.value, last: LATEST }).subscribe({
      event: (event) => add((journal) => addEvent(journal, event)),
      gap: ({ reason }) => add((journal) => addGap(journal, reason, Date.now())),
      status(next) {
        if (handle !== own) return;
        const isOpened = next.state === "live" && status.value.state !== "live";
        status.value = next;
        if (!isOpened) return;
        opens += 1;
        reconnects.value = opens - 1;
        if (opens > 1 && next.outcome === "RESUMED") add((journal) => addMark(journal, "good", "Reconnected, nothing lost", Date.now()));
        if (opens > 1 && next.outcome === "FRESH") add((journal) => addMark(journal, "plain", "Reconnected, live from here on", Date.now()));
      },
    });
    handle = own;
    status.value = own.status;
  }

  watch(name, open, { immediate: true });
  watch(session.renewals, () => {
    if (handle) add((journal) => addMark(journal, "plain", "The access token was renewed", Date.now()));
  });
  onScopeDispose(() => handle?.close());

  return {
    /** What to show: the journal, or how it was when the reader paused. */
    shown: computed(() => held.value ?? journal.ref.value),
    waiting: computed(() => (held.value ? journal.ref.value.total - held.value.total : 0)),
    paused: computed({
      get: () => held.value !== undefined,
      set: (on) => (held.value = on ? journal.ref.value : undefined),
    }),
    cursor: computed(() => newestCursor(journal.ref.value)),
    received: computed(() => journal.ref.value.total),
    gaps: computed(() => journal.ref.value.gaps),
    status,
    reconnects,
    /** Cuts the connection and continues after the last event. */
    cut: () => handle?.reconnect(),
    reload: open,
  };
}
