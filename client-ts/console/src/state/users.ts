/** The users table, kept true by a snapshot and the stream that continues it. */
import { onScopeDispose, readonly, ref, shallowRef } from "vue";
import { asProblem, type Problem } from "../core/problem.ts";
import { openStream, type Stream, type StreamState } from "../core/stream.ts";
import type { User, UserChange } from "../core/types.ts";
import { applyChange, describeChange, rowsOf, type Row } from "../core/users.ts";
import { api } from "./session.ts";

export function useUsers() {
  const rows = shallowRef<Row[]>();
  const problem = shallowRef<Problem>();
  const stream = shallowRef<StreamState>({ phase: "connecting", reconnects: 0 });
  const spoken = ref("");
  const cursor = ref("");
  let open: Stream | undefined;
  let generation = 0;

  async function load(): Promise<void> {
    const mine = ++generation;
    open?.close();
    problem.value = undefined;
    stream.value = { phase: "connecting", reconnects: 0 };
    try {
      const first = await api.listUsers();
      const users = [...first.users, ...(await restOf(first.nextPageToken))];
      if (mine !== generation) return;
      rows.value = rowsOf(users);
      cursor.value = first.cursor;
      follow(first.cursor);
    } catch (error) {
      if (mine === generation) problem.value = asProblem(error);
    }
  }

  /** The cursor belongs to the first page: what changes while the others load comes again by the stream. */
  async function restOf(pageToken: string): Promise<User[]> {
    if (!pageToken) return [];
    const page = await api.listUsers(pageToken);
    return [...page.users, ...(await restOf(page.nextPageToken))];
  }

  function follow(from: string): void {
    open = openStream({
      path: "/api/v1/users:watch",
      cursor: from,
      types: ["user:create", "user:update", "user:delete"],
      onEvent: (data) => apply(data as UserChange),
      onState: (state) => {
        const reopened = state.phase === "live" && stream.value.phase !== "live";
        stream.value = state;
        // A gap right after a snapshot would only come back: it says nothing of what was missed.
        if (reopened && state.outcome === "GAP" && state.reconnects > 0) void load();
      },
      onMissed: () => void load(),
      explain: api.explain,
      renew: api.me,
    });
  }

  function apply(change: UserChange): void {
    spoken.value = describeChange(rows.value ?? [], change);
    rows.value = applyChange(rows.value ?? [], change);
    cursor.value = change.cursor;
  }

  onScopeDispose(() => {
    generation += 1;
    open?.close();
  });
  void load();
  return { rows, problem, stream, spoken: readonly(spoken), cursor: readonly(cursor), reload: load };
}
