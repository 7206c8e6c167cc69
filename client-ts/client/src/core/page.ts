/** What a page goes through: hidden and frozen, shown again, back online. */

export interface Page {
  /** The page is put away (back/forward cache, frozen tab): connections would be cut, or keep it from being cached. */
  readonly away: boolean;
  /** Calls back when the page is put away, and when it is worth trying again: shown, visible, online. */
  watch(listener: () => void): () => void;
  close(): void;
}

/** Without a document (on a server, in a worker) nothing ever happens. */
export function watchPage(): Page {
  const listeners = new Set<() => void>();
  const stop = new AbortController();
  const page = {
    away: false,
    watch: (listener: () => void) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close: () => stop.abort(),
  };
  if (typeof document === "undefined") return page;
  const on = (target: EventTarget, name: string, isAway: () => boolean): void => {
    const tell = (): void => {
      page.away = isAway();
      for (const listener of listeners) listener();
    };
    target.addEventListener(name, tell, { signal: stop.signal });
  };
  on(window, "pagehide", () => true);
  on(document, "freeze", () => true);
  on(window, "pageshow", () => false);
  on(document, "resume", () => false);
  on(window, "online", () => page.away);
  on(document, "visibilitychange", () => page.away && document.hidden);
  return page;
}
