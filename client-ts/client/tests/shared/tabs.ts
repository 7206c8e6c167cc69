// Tabs and their worker in one process: ports are real, and so is all code on both sides of them.
import { createLink, type Link, type LinkOptions } from "@lastmile/client";
import type { FakeEdge } from "@lastmile/client/testing";
import { serveTabs } from "@lastmile/client/worker";
import { vi } from "vitest";
import type { Peer } from "../session/peer.ts";

/** Runs the worker; the result opens a tab. */
export function startWorker(edge: FakeEdge, peer: Peer): (options?: LinkOptions) => Link {
  const heldLocks = new Map<string, Promise<unknown>>();
  const request = (name: string, work: () => Promise<unknown>): Promise<unknown> => {
    const mine = (heldLocks.get(name) ?? Promise.resolve()).then(work);
    heldLocks.set(name, mine);
    return mine;
  };
  vi.stubGlobal("navigator", { locks: { request } });
  vi.stubGlobal("SharedWorker", class {});
  vi.stubGlobal("WebSocket", peer.Socket);
  vi.stubGlobal("fetch", peer.fetch(edge.fetch));
  serveTabs();
  const scope = globalThis as unknown as { onconnect(event: { ports: MessagePort[] }): void };
  const worker = (): SharedWorker => {
    const { port1, port2 } = new MessageChannel();
    scope.onconnect({ ports: [port2] });
    return { port: port1 } as unknown as SharedWorker;
  };
  return (options) => createLink({ baseUrl: "http://edge.test", bindings: false, worker, ...options });
}
