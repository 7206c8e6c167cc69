/** One link to an edge: its identity, its transports, and all streams that it keeps alive. */
import { createLadder, type Transport } from "./ladder.ts";
import { createMemory, type Memory } from "./memory.ts";
import { watchPage } from "./page.ts";
import { readSse } from "./read_sse.ts";
import type { Source, Target } from "./source.ts";
import { openStream, type StreamHandle, type StreamHandlers, type Surroundings } from "./stream.ts";
import { createWire, type Wire, type WireOptions } from "./wire.ts";

export interface LinkOptions extends WireOptions {
  /** Which transports may be used, the best first. */
  transports?: readonly Transport[];
  /** How long a stream that nobody reads any more is kept for the next reader of the same; 2 s under hot reload, else 0. */
  lingerMs?: number;
  /** Streams go on after a reload of the page where they were before it: true unless set. */
  resumeAfterReload?: boolean;
}

/** `idle`: no stream is open. */
export type LinkState = "idle" | "connecting" | "live" | "reconnecting";

export interface LinkStatus {
  readonly state: LinkState;
  readonly transport: Transport;
}

export interface Link {
  readonly status: LinkStatus;
  /** Calls back whenever the status has changed, until the result is called. */
  onStatus(listener: (status: LinkStatus) => void): () => void;
  /** Connects all streams anew, each after its last event: as somebody else, for instance. */
  reconnect(): void;
  /** Closes all streams. */
  close(): void;
  /** For generated clients and the parts of this package. */
  readonly internals: Internals;
}

export interface Internals {
  readonly wire: Wire;
  open<Message>(opening: Opened<Message>): StreamHandle;
}

export interface Opened<Message> {
  target: Target;
  /** Where to begin, by the caller's own word. */
  cursor?: string;
  /** Another stream of this name may take its place; empty when none can. */
  key: string;
  handlers: StreamHandlers<Message>;
  nameOf: (message: Message) => string;
}

/** What Vite gives to a module: `createLink(options, import.meta.hot)` keeps its link through hot reloads. */
export interface Hot {
  data: { link?: Link };
}

const TRANSPORTS: readonly Transport[] = ["sse", "poll"];

export function createLink(options: LinkOptions = {}, hot?: Hot): Link {
  if (hot?.data?.link) return hot.data.link;
  const wire = createWire(options);
  const page = watchPage();
  const memory = createMemory(`lastmile ${options.baseUrl ?? ""}`);
  const lingerMs = options.lingerMs ?? (hot ? 2000 : 0);
  const open = new Map<StreamHandle, string>();
  const listeners = new Set<(status: LinkStatus) => void>();
  let status: LinkStatus = { state: "idle", transport: (options.transports ?? TRANSPORTS)[0]! };

  const reconnect = (): void => open.forEach((_, handle) => handle.reconnect());
  const ladder = createLadder(options.transports ?? TRANSPORTS, () => probe(wire), reconnect);
  const around: Surroundings = { wire, page, ladder, sources: { sse: readSse, poll: readPollLater, websocket: readSse }, changed };
  page.watch(() => page.away && memory.note([...open].map(([handle, key]) => [key, handle.cursor] as const)));

  function changed(): void {
    const states = [...open.keys()].map((handle) => handle.status.state);
    const state = (["connecting", "reconnecting", "live"] as const).find((each) => states.includes(each)) ?? "idle";
    if (state === status.state && ladder.transport === status.transport) return;
    status = { state, transport: ladder.transport };
    for (const listener of listeners) listener(status);
  }

  function openOrAdopt<Message>({ target, cursor, key, handlers, nameOf }: Opened<Message>): StreamHandle {
    const adopted = key && memory.adopt(key, handlers);
    const slot = adopted || { handlers, handle: undefined as unknown as StreamHandle };
    if (!adopted) {
      const start = cursor ?? (key && options.resumeAfterReload !== false ? memory.recall(key) : "");
      const inner = { ...around, changed: () => (forgetIfOver(slot.handle), changed()) };
      slot.handle = openStream(inner, target, start, () => slot.handlers, nameOf);
      open.set(slot.handle, key);
      changed();
    }
    return Object.create(slot.handle, { close: { value: () => leave(memory, slot, key) } }) as StreamHandle;
  }

  function leave<Message>(to: Memory, slot: { handle: StreamHandle; handlers: StreamHandlers<Message> }, key: string): void {
    const isLive = open.has(slot.handle);
    if (key && lingerMs && isLive) to.leave(key, slot, lingerMs);
    else slot.handle.close();
  }

  function forgetIfOver(handle: StreamHandle): void {
    if (handle && /ended|failed|closed/.test(handle.status.state)) open.delete(handle);
  }

  const link: Link = {
    get status() {
      return status;
    },
    onStatus(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    reconnect,
    close() {
      for (const handle of open.keys()) handle.close();
      ladder.close();
      page.close();
    },
    internals: { wire, open: openOrAdopt },
  };
  if (hot?.data) hot.data.link = link;
  return link;
}

/** Few browsers need it: it is loaded when one does. */
const readPollLater: Source = async (...call) => (await import("./read_poll.ts")).readPoll(...call);

/** Whether anything gets through at all. The probe needs no identity, and answers every origin. */
async function probe(wire: Wire): Promise<boolean> {
  if (globalThis.navigator?.onLine === false) return false;
  const path = wire.own("/.well-known/lastmile/probe");
  return wire.send({ verb: "GET", path }, { signal: AbortSignal.timeout(5000) }).then(
    () => true,
    () => false,
  );
}
