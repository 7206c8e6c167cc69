/** What a page goes through: hidden and frozen, shown again, back online. */

export interface Page {
  /** The page is put away (back/forward cache, frozen tab): connections would be cut, or keep it from being cached. */
  readonly away: boolean;
  /** Calls back when the page is put away, and when it is worth trying again: shown, visible, online. */
  watch(listener: () => void): () => void;
  close(): void;
}

const MOMENTS = ["pagehide", "freeze", "pageshow", "resume", "online", "visibilitychange"];

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
  const tell = ({ type }: Event): void => {
    page.away = /hide|freeze/.test(type) || (page.away && document.hidden);
    for (const listener of listeners) listener();
  };
  // Some of them are fired at the document; the window sees these on their way down.
  for (const name of MOMENTS) window.addEventListener(name, tell, { capture: true, signal: stop.signal });
  return page;
}
