/** The Pinia plugin: what a store changes goes into the document, and what others change comes into the store. */
import type { JsonObject, JsonValue, LastmileError, Link } from "@lastmile/client";
import type { PiniaPluginContext, StateTree, StoreGeneric } from "pinia";
import { onScopeDispose, shallowReactive } from "vue";
import { type Change, diff, isObject, split } from "./pointer.ts";
import { type Clash, type DocumentSync, syncDocument, type SyncStatus } from "./sync.ts";

export interface SyncOptions {
  /** Id of the document that holds the state. */
  doc: string;
  /** Which members of the state are shared; all when left out. They hold JSON. */
  only?: readonly string[];
  /** Whose value stays where two have changed the same place: theirs unless set. */
  onConflict?: (clash: Clash) => "theirs" | "mine";
}

/** `store.$sync`. */
export interface StoreSync {
  readonly status: SyncStatus;
  /** The version of the document that is shown. */
  readonly version: number;
  /** How many own changes are not confirmed yet. */
  readonly pending: number;
  /** Why it is not live, or why a change was taken back. */
  readonly error: LastmileError | undefined;
  /** Sends what is pending; resolves when all of it is confirmed or taken back. */
  flush(): Promise<void>;
  /** Reads the document anew. */
  reload(): Promise<void>;
}

declare module "pinia" {
  // oxlint-disable-next-line no-unused-vars -- merged declarations have the same parameters
  export interface DefineStoreOptionsBase<S extends StateTree, Store> {
    /** Shares the state through a document. */
    sync?: SyncOptions;
  }
  export interface PiniaCustomProperties {
    /** How sharing goes; only in stores with the option `sync`. */
    $sync: StoreSync;
  }
}

export interface PiniaSyncOptions {
  link: Link;
}

export function createPiniaSync({ link }: PiniaSyncOptions): (context: PiniaPluginContext) => { $sync: StoreSync } | void {
  return ({ store, options: { sync } }) => {
    // A hot reload makes a store for the moment only; the one that lives keeps its changes.
    if (!sync || typeof window === "undefined" || store.$id.startsWith("__hot:")) return;
    return { $sync: shareStore(store, link, sync) };
  };
}

function shareStore(store: StoreGeneric, link: Link, { doc, only, onConflict = () => "theirs" }: SyncOptions): StoreSync {
  const initial = snapshot();
  /** The state as it was when it was last looked at. */
  let seen = initial;
  let shown = initial;
  let isStarted = false;

  const state = shallowReactive({
    status: "loading" as SyncStatus,
    version: 0,
    pending: 0,
    error: undefined as LastmileError | undefined,
    flush: () => sync.flush(),
    reload: () => sync.reload(),
  });

  function snapshot(): JsonObject {
    const tree = store.$state as JsonObject;
    const keys = only ?? Object.keys(tree);
    return JSON.parse(JSON.stringify(Object.fromEntries(keys.map((key) => [key, tree[key]])))) as JsonObject;
  }

  function collect(sync: DocumentSync): void {
    const now = snapshot();
    const changes = diff(seen, now);
    seen = now;
    if (changes.length === 0) return;
    sync.model.change(changes);
    // It is in the state already.
    shown = sync.model.view;
    report(sync);
    sync.wrote();
  }

  function report({ model, status, error }: DocumentSync): void {
    Object.assign(state, { status, error, version: model.version, pending: model.pending.length });
  }

  function paint({ view }: DocumentSync["model"]): void {
    const wanted = only ? Object.fromEntries(Object.entries(view).filter(([key]) => only.includes(key))) : view;
    const changes = diff(shown, wanted);
    shown = wanted;
    if (changes.length === 0) return;
    store.$patch((tree: StateTree) => {
      for (const change of changes) put(tree, change, initial);
      // Before anybody hears of the patch: it is no change of this writer.
      seen = snapshot();
    });
  }

  const sync: DocumentSync = syncDocument(link, doc, {
    changed() {
      if (!isStarted) return;
      collect(sync);
      paint(sync.model);
      report(sync);
    },
    decide: onConflict,
    initial: snapshot,
  });
  isStarted = true;
  store.$subscribe(() => collect(sync), { detached: true });
  onScopeDispose(sync.close);
  return state;
}

/** Changes one place of the state, and leaves everything else the object that it was. */
function put(tree: StateTree, change: Change, initial: JsonObject): void {
  const path = split(change.path);
  const last = path.pop()!;
  let target = tree as JsonObject;
  for (const key of path) {
    if (!isObject(target[key])) target[key] = {};
    target = target[key] as JsonObject;
  }
  // A copy: the state may be changed at will, what is confirmed may not.
  if ("set" in change) target[last] = structuredClone(change.set);
  // A member that a store declares is never missing.
  else if (path.length === 0 && last in initial) target[last] = structuredClone(initial[last]) as JsonValue;
  else delete target[last];
}
