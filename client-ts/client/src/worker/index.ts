/** For a file of your own that is the SharedWorker of `createLink({ worker })`: all tabs of an app have one session there. */
import { createGroup, endWorks, type Group, type Tab } from "../shared/group.ts";
import type { ToWorker } from "../shared/messages.ts";
import { createQuestions, type Questions } from "../shared/questions.ts";

/** Serves the tabs that connect. To be called at once, when the worker's file is run. */
export function serveTabs(): void {
  const groups = new Map<string, Group>();
  const questions = createQuestions();
  const lock = `lastmile-worker-${crypto.randomUUID()}`;
  // Held as long as the worker lives: tabs hear when it is gone.
  const held = new Promise<void>((resolve) => void navigator.locks.request(lock, () => (resolve(), new Promise(() => {}))));
  const scope = globalThis as unknown as { onconnect: (event: MessageEvent) => void };
  scope.onconnect = ({ ports }) => void held.then(() => serveTab(groups, questions, ports[0]!, lock));
}

function serveTab(groups: Map<string, Group>, questions: Questions, port: MessagePort, lock: string): void {
  const tab: Tab = { say: (message) => port.postMessage(message), works: new Map() };
  let key = "";

  function enter({ place, who, lock: alive }: Extract<ToWorker, { type: "hello" }>): void {
    const next = JSON.stringify([place, who]);
    if (key === next) return;
    const isNew = key === "";
    leave();
    key = next;
    const group = groups.get(key) ?? createGroup(place, who, questions);
    groups.set(key, group);
    group.tabs.add(tab);
    tab.say({ type: "welcome", lock, transport: group.transport });
    if (isNew) void navigator.locks.request(alive, leave);
  }

  /** The tab is gone, or somebody else sits there now: its streams are opened anew. */
  function leave(): void {
    endWorks(tab);
    const group = groups.get(key);
    group?.tabs.delete(tab);
    if (group?.tabs.size !== 0) return;
    group.close();
    groups.delete(key);
  }

  port.onmessage = ({ data }: MessageEvent<ToWorker>) => {
    if (data.type === "hello") enter(data);
    else if (data.type === "answer") questions.answered(tab, data);
    else groups.get(key)?.take(tab, data);
  };
}
