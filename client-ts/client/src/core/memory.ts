/** What streams leave behind for those that take their place: after a hot reload, and after a reload of the page. */
import type { Past as SessionPast } from "../session/past.ts";
import { type StreamHandle, type StreamHandlers, tell } from "./stream.ts";

/** An open stream whose reader may change. */
export interface Slot<Message> {
  handle: StreamHandle;
  handlers: StreamHandlers<Message>;
}

/** How long a reload may take for its streams to go on where they were. */
const RELOAD_MS = 30_000;

export interface Memory {
  /** Keeps a stream that nobody reads any more open for a while, and what comes meanwhile. */
  leave<Message>(key: string, slot: Slot<Message>, ms: number): void;
  /** Takes over a stream that was left. */
  adopt<Message>(key: string, handlers: StreamHandlers<Message>): Slot<Message> | undefined;
  /** Where a stream stood when the page was left, if that was the page before this one. */
  recall(key: string): string;
  /** What the page before noted besides, if it was left a moment ago. */
  readonly past: Past;
  /** Notes where streams stand, for the page that comes next. */
  note(cursors: Iterable<readonly [key: string, cursor: string]>, past: Past): void;
}

/** What a page that is reloaded in development hands on. */
export interface Past {
  /** The trace of its calls. */
  trace?: string;
  session?: SessionPast | undefined;
}

export function createMemory(name: string): Memory {
  const left = new Map<string, { slot: Slot<never>; hand: (handlers: StreamHandlers<never>) => void }>();
  const { cursors: noted, past } = read(name);

  return {
    leave(key, slot, ms) {
      const missed: ["event" | "gap", unknown[]][] = [];
      const timer = setTimeout(() => {
        left.delete(key);
        slot.handle.close();
      }, ms);
      slot.handlers = {
        event: (...told) => void missed.push(["event", told]),
        gap: (...told) => void missed.push(["gap", told]),
      };
      const hand = (handlers: StreamHandlers<never>): void => {
        clearTimeout(timer);
        left.delete(key);
        // Not at once: whoever subscribes has its handle before its first call.
        queueMicrotask(() => {
          slot.handlers = handlers as StreamHandlers<unknown> as typeof slot.handlers;
          tell(() => handlers.status?.(slot.handle.status));
          for (const [name, told] of missed) tell(() => (handlers[name] as (...told: unknown[]) => unknown)(...told));
        });
      };
      left.set(key, { slot: slot as Slot<never>, hand });
    },
    adopt<Message>(key: string, handlers: StreamHandlers<Message>) {
      const found = left.get(key);
      if (!found) return undefined;
      found.hand(handlers as StreamHandlers<unknown> as StreamHandlers<never>);
      return found.slot as Slot<unknown> as Slot<Message>;
    },
    recall: (key) => (key && noted[key]) || "",
    past,
    note(cursors, told) {
      const record: Record = { at: Date.now(), cursors: Object.fromEntries(cursors), past: told };
      try {
        sessionStorage.setItem(name, JSON.stringify(record));
      } catch {
        // No storage, or no room in it: streams begin anew then.
      }
    },
  };
}

interface Record {
  at: number;
  cursors: { [key: string]: string };
  past: Past;
}

function read(name: string): Pick<Record, "cursors" | "past"> {
  try {
    const record = JSON.parse(sessionStorage.getItem(name)!) as Record;
    sessionStorage.removeItem(name);
    if (Date.now() - record.at < RELOAD_MS) return record;
  } catch {
    // Nothing that can be read.
  }
  return { cursors: {}, past: {} };
}
