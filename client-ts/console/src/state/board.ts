/** The shared board, as each of the two panes has it: a store over a link of its own. */
import type { LinkStatus } from "@lastmile/client";
import { createPiniaSync } from "@lastmile/client/pinia";
import { createPinia, defineStore, type Pinia } from "pinia";
import { type App, reactive, watch } from "vue";
import { createHarmedLink, statusOf, tellOnline } from "./link.ts";
import { session } from "./session.ts";

export interface Note {
  text: string;
  done: boolean;
}

export const SIDES = ["left", "right"] as const;
export type Side = (typeof SIDES)[number];

/** A change that was shown, and then was not to be. */
export interface TakenBack {
  id: number;
  what: string;
  theirs: string;
}

const links = { left: createHarmedLink(), right: createHarmedLink() };

export function linkStatus(side: Side): LinkStatus {
  return statusOf(links[side].link);
}

/** Which pane's network is cut. */
export const isCut = reactive({ left: false, right: false });
export const takenBack = reactive<Record<Side, TakenBack[]>>({ left: [], right: [] });

export function cutNetwork(side: Side, isOff: boolean): void {
  isCut[side] = isOff;
  links[side].network.set({ offline: isOff });
  if (!isOff) tellOnline();
}

const define = (side: Side) =>
  defineStore(side, {
    state: () => ({ title: "Board", notes: {} as { [id: string]: Note | string } }),
    sync: {
      doc: "board",
      onConflict({ path, mine, theirs }) {
        takenBack[side].unshift({ id: Date.now() + Math.random(), what: words(path, mine), theirs: words(path, theirs) });
        takenBack[side].splice(4);
        return "theirs";
      },
    },
  });

const stores = { left: define("left"), right: define("right") };
export type BoardStore = ReturnType<(typeof stores)["left"]>;

let pinia: Pinia | undefined;

/** The store of a pane. The first one brings Pinia into the app. */
export function boardOf(side: Side, app: App): BoardStore {
  if (!pinia) {
    pinia = createPinia().use((context) => createPiniaSync({ link: links[context.store.$id as Side].link })(context));
    app.use(pinia);
  }
  return stores[side](pinia);
}

// Nothing that somebody has not sent yet is sent as somebody else.
watch(
  () => session.user.value?.username,
  () => {
    for (const side of SIDES) {
      if (pinia) {
        stores[side](pinia).$dispose();
        delete pinia.state.value[side];
      }
      links[side].link.reconnect();
      takenBack[side].length = 0;
      if (isCut[side]) cutNetwork(side, false);
    }
  },
);

/** Notes may have been written by other clients, as text alone. */
export function asNote(note: Note | string): Note {
  return typeof note === "string" ? { text: note, done: false } : note;
}

function words(path: string, value: unknown): string {
  if (value === undefined) return "removed";
  if (path.endsWith("/done")) return value ? "done" : "not done";
  if (typeof value === "object" && value !== null && "text" in value) return `“${String(value.text)}”`;
  return typeof value === "string" ? `“${value}”` : JSON.stringify(value);
}
