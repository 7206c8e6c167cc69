/** Keeps a model and the edge's document in step: reads, watches, commits, and does all that again when it has to. */
import { createClient, type JsonObject, type JsonValue, type LastmileError, type Link, type StreamHandle } from "@lastmile/client";
import { backoff } from "../core/clock.ts";
import { asError } from "../core/error.ts";
import { type Conflict, DocumentService, type Watched } from "./document.ts";
import { Model } from "./model.ts";
import type { Op } from "./pointer.ts";

/** `live`: changes of others arrive. `offline`: they will, and own changes wait. */
export type SyncStatus = "loading" | "live" | "offline" | "failed";

export interface Clash {
  /** JSON pointer of the place that both have changed. */
  path: string;
  /** What stands there now; nothing when it was removed. */
  theirs: JsonValue | undefined;
  /** What this writer wanted; nothing when it wanted to remove it. */
  mine: JsonValue | undefined;
}

export interface SyncHooks {
  /** The view has changed, or what is said of it. */
  changed(): void;
  /** Whose value stays. */
  decide(clash: Clash): "theirs" | "mine";
  /** What the document begins with when there is none. */
  initial(): JsonObject;
}

export interface DocumentSync {
  readonly model: Model;
  readonly status: SyncStatus;
  readonly error: LastmileError | undefined;
  /** Sends what is pending; resolves when all of it is confirmed or given up. */
  flush(): Promise<void>;
  /** Reads the document anew. */
  reload(): Promise<void>;
  /** Something was added to what is pending. */
  wrote(): void;
  close(): void;
}

/** A commit has room for so many operations. */
const MOST_OPS = 256;
/** After this it is sent again. */
const COMMIT_MS = 30_000;

export function syncDocument(link: Link, id: string, hooks: SyncHooks): DocumentSync {
  const documents = createClient(DocumentService, link);
  const model = new Model(crypto.getRandomValues(new Uint32Array(3)).join("-"));
  let status: SyncStatus = "loading";
  let error: LastmileError | undefined;
  let handle: StreamHandle | undefined;
  /** The version that the last commit made: nothing is committed until the log has come so far. */
  let awaited = 0;
  let failures = 0;
  let loads = 0;
  let isBusy = false;
  let isClosed = false;
  const settled = new Set<() => void>();

  function say(next: SyncStatus, why?: LastmileError): void {
    [status, error] = [next, why];
    told();
  }

  function told(): void {
    hooks.changed();
    if (model.pending.length > 0 && status !== "failed") return;
    for (const resolve of settled) resolve();
    settled.clear();
  }

  async function load(): Promise<void> {
    handle?.close();
    const own = (loads += 1);
    try {
      const { document, cursor } = await documents.get({ id });
      if (isClosed || own !== loads) return;
      model.load(document?.version ?? 0, document?.content ?? {});
      failures = 0;
      watch(cursor);
    } catch (thrown) {
      const problem = asError(thrown);
      if (problem.code === "NOT_FOUND") return create();
      trouble(problem, load);
    }
  }

  /** There is no document yet: it begins with what the store has. Who comes second is refused, and reads it. */
  async function create(): Promise<void> {
    const ops = [{ opId: `${model.writer}.0`, path: "", set: hooks.initial() }];
    await documents.commit({ id, baseVersion: 0, ops }).then(load, (thrown: unknown) => {
      const problem = asError(thrown);
      // ABORTED, or ALREADY_EXISTS when an answer was lost.
      if (problem.code[0] === "A") return load();
      trouble(problem, create);
    });
  }

  function trouble(problem: LastmileError, again: () => unknown): void {
    say(problem.final ? "failed" : "offline", problem);
    if (!problem.final) later(again);
  }

  function watch(cursor: string): void {
    handle = documents.watch({ id }, { cursor }).subscribe({
      event: follow,
      gap: () => void load(),
      error: (problem) => say("failed", problem),
      status: ({ state, error: problem }) => {
        if (isClosed || state === "closed" || state === "failed") return;
        say(state === "live" ? "live" : "offline", problem);
        if (state === "live") void commit();
      },
    });
    told();
  }

  function follow({ documentChanged: changed, documentDeleted: deleted }: Watched): void {
    // Own changes that are not collected yet go on top of what comes.
    hooks.changed();
    const { version, ops } = changed ?? { version: deleted?.version ?? 0, ops: [{ opId: "", path: "", set: {} }] };
    if (!model.advance(version, ops)) return void load();
    told();
    void commit();
  }

  async function commit(): Promise<void> {
    if (isBusy || isClosed || status !== "live" || model.version < awaited || model.pending.length === 0) return;
    isBusy = true;
    const ops = model.pending.slice(0, MOST_OPS);
    try {
      const { version } = await documents.commit({ id, baseVersion: model.version, ops }, { timeoutMs: COMMIT_MS });
      failures = 0;
      awaited = version;
      // They were known already, and are in what was read since.
      if (version <= model.version) model.drop(ops);
    } catch (thrown) {
      refused(asError(thrown), ops);
    }
    isBusy = false;
    told();
    // Else a timer will.
    if (failures === 0) void commit();
  }

  function refused(problem: LastmileError, ops: Op[]): void {
    const found = problem.details.find((detail) => detail["@type"].endsWith("lastmile.v1.DocumentConflict"));
    if (!found && !problem.final) return later(commit);
    // It was answered: what is left can be sent at once.
    failures = 0;
    if (found) return settle(found as unknown as Conflict);
    // The edge will never take them: back to what is confirmed.
    model.drop(ops);
    error = problem;
  }

  /** Somebody else was there first. */
  function settle({ version, paths }: Conflict): void {
    awaited = version;
    const lost = paths.filter(({ path, current }) => {
      const own = model.pending.find((op) => op.path === path);
      return path === "" || hooks.decide({ path, theirs: current, mine: own?.set }) === "theirs";
    });
    model.giveUp(lost.map(({ path }) => path));
    if (paths.some(({ path }) => path === "")) void load();
  }

  function later(work: () => unknown): void {
    setTimeout(() => isClosed || work(), backoff(failures++));
  }

  void load();
  return {
    model,
    get status() {
      return status;
    },
    get error() {
      return error;
    },
    flush: () =>
      new Promise((resolve) => {
        hooks.changed();
        if (model.pending.length === 0 || status === "failed") return resolve();
        settled.add(resolve);
        void commit();
      }),
    reload: load,
    wrote: () => void commit(),
    close() {
      isClosed = true;
      handle?.close();
    },
  };
}
