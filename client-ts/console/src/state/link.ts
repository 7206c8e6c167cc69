/** The links of the console, and the clients that its pages share. */
import { createClient, createLink, type Link, type LinkStatus } from "@lastmile/client";
import { type Ref, shallowRef } from "vue";
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

/** What becomes of a link, for components. */
export function statusOf(one: Link): { status: Readonly<Ref<LinkStatus>>; stop: () => void } {
  const status = shallowRef(one.status);
  return { status, stop: one.onStatus((next) => (status.value = next)) };
}

export const { status: linkStatus } = statusOf(link);

/** A link of its own over a network that can be harmed. */
export function createHarmedLink(more: Parameters<typeof createLink>[0] = {}): { link: Link; network: Network } {
  const network = createNetwork();
  const { fetch, WebSocket } = network;
  const made = createLink({ fetch, WebSocket, refresh: () => identity.renew(), resumeAfterReload: false, ...more });
  return { link: made, network };
}

/** What browsers do when they are online again: streams that wait are tried at once. */
export function tellOnline(): void {
  dispatchEvent(new Event("online"));
}
