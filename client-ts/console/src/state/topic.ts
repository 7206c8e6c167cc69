/** One topic as the page shows it: its latest events, then everything that follows, live. */
import { computed, onScopeDispose, ref, shallowRef, watch, type Ref } from "vue";
import { addEvent, addMark, emptyJournal, newestCursor, type Journal, type Source } from "../core/journal.ts";
import { topicPath } from "../core/api.ts";
import { asProblem, type Problem } from "../core/problem.ts";
import { openStream, type Stream, type StreamState } from "../core/stream.ts";
import type { EventList, TopicEvent } from "../core/types.ts";
import { api } from "./session.ts";

/** Events of the past that a topic opens with. */
const LATEST = 30;

export function useTopic(name: Ref<string>) {
  const journal = shallowRef<Journal>(emptyJournal);
  const held = shallowRef<Journal>();
  const stream = shallowRef<StreamState>({ phase: "connecting", reconnects: 0 });
  const types = ref<string[]>([]);
  const loading = ref(false);
  const problem = shallowRef<Problem>();
  let open: Stream | undefined;
  let generation = 0;

  async function load(): Promise<void> {
    const mine = ++generation;
    open?.close();
    journal.value = emptyJournal;
    held.value = undefined;
    types.value = [];
    problem.value = undefined;
    stream.value = { phase: "connecting", reconnects: 0 };
    if (!name.value) return;
    loading.value = true;
    try {
      const page = await api.latestEvents(name.value, LATEST);
      if (mine !== generation) return;
      take(page);
      follow(page.cursor);
    } catch (error) {
      if (mine === generation) problem.value = asProblem(error);
    } finally {
      if (mine === generation) loading.value = false;
    }
  }

  function follow(cursor: string): void {
    open = openStream({
      path: `${topicPath(name.value)}/events`,
      cursor,
      types: types.value,
      onEvent: (data) => add(data as TopicEvent, "stream"),
      onState: (state) => {
        const reopened = state.phase === "live" && stream.value.phase !== "live";
        stream.value = state;
        if (reopened) journal.value = addMark(journal.value, state, Date.now());
      },
      onMissed: () => void fill(),
      explain: api.explain,
      renew: api.me,
    });
  }

  /** Fetches what passed under names that nobody listened for, and listens for them from now on. */
  async function fill(): Promise<void> {
    const mine = generation;
    const page = await api.eventsAfter(name.value, newestCursor(journal.value)).catch(() => undefined);
    if (page && mine === generation) take(page);
  }

  function take(page: EventList): void {
    for (const event of page.events) {
      listen(event.type);
      add(event, "history");
    }
  }

  function add(event: TopicEvent, source: Source): void {
    journal.value = addEvent(journal.value, event, source);
  }

  function listen(type: string): void {
    if (!types.value.includes(type)) types.value = [...types.value, type];
    open?.listen(type);
  }

  watch(name, () => void load(), { immediate: true });
  onScopeDispose(() => {
    generation += 1;
    open?.close();
  });

  return {
    /** What to show: the journal, or how it was when the reader paused. */
    shown: computed(() => held.value ?? journal.value),
    waiting: computed(() => (held.value ? journal.value.total - held.value.total : 0)),
    paused: computed({
      get: () => held.value !== undefined,
      set: (on) => (held.value = on ? journal.value : undefined),
    }),
    cursor: computed(() => newestCursor(journal.value)),
    stream,
    types,
    loading,
    problem,
    listen,
    cut: () => open?.cut(),
    reload: load,
  };
}
