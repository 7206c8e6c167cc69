/** The links of the console, and the clients that its pages share. */
import { createClient, createLink, type Link, type LinkStatus } from "@lastmile/client";
import { computed, shallowReactive } from "vue";
import { AuthService } from "../api/lastmile/v1/auth.ts";
import { TopicService } from "../api/lastmile/v1/topic.ts";
import { UserService } from "../api/lastmile/v1/user.ts";
import { createNetwork, type Network } from "../core/network.ts";

/** Renews the identity; set by the session, which knows how. */
export const identity = { renew: (): Promise<unknown> => Promise.reject(new Error("There is no session yet.")) };

/** Cookies say who it is. */
export const link: Link = createLink({ refresh: () => identity.renew() });

/** For signing in, out and on: it renews nothing, so that a renewal never waits for itself. */
export const auth = createClient(AuthService, createLink({ resumeAfterReload: false }));
export const me = createClient(AuthService, link);
export const topics = createClient(TopicService, link);
export const users = createClient(UserService, link);

/** What becomes of every link of the page. */
const statuses = shallowReactive(new Map<Link, LinkStatus>());

function watchLink(one: Link): void {
  statuses.set(one, one.status);
  one.onStatus((next) => statuses.set(one, next));
}
watchLink(link);

export function statusOf(one: Link): LinkStatus {
  return statuses.get(one) ?? one.status;
}

/** The page as a whole: as well as its best link does. */
export const pageStatus = computed<LinkStatus>(() => {
  const all = [...statuses.values()];
  return (["live", "reconnecting", "connecting"] as const).flatMap((state) => all.filter((each) => each.state === state))[0] ?? link.status;
});

export interface HarmedLink {
  link: Link;
  network: Network;
  close(): void;
}

/** A link of its own over a network that can be harmed. */
export function createHarmedLink(more: Parameters<typeof createLink>[0] = {}): HarmedLink {
  const network = createNetwork();
  const { fetch, WebSocket } = network;
  const made = createLink({ fetch, WebSocket, refresh: () => identity.renew(), resumeAfterReload: false, ...more });
  watchLink(made);
  const close = (): void => {
    made.close();
    statuses.delete(made);
  };
  return { link: made, network, close };
}

/** What browsers do when they are online again: streams that wait are tried at once. */
export function tellOnline(): void {
  dispatchEvent(new Event("online"));
}
