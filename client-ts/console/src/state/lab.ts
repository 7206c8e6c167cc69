/** The connection lab: numbers are published over a good network, and read over one that is harmed. */
import { createClient, type Outcome, type StreamHandle, type StreamStatus } from "@lastmile/client";
import { onScopeDispose, reactive, ref, shallowRef } from "vue";
import { TopicService } from "../api/lastmile/v1/topic.ts";
import { asLastmileError } from "../core/explain.ts";
import { addMark, emptyJournal, type Journal, type Tone } from "../core/journal.ts";
import type { Faults } from "../core/network.ts";
import { addStep, count, noTally, type Step } from "../core/tally.ts";
import { transportWord } from "../core/words.ts";
import { createHarmedLink, tellOnline, topics } from "./link.ts";
import { session } from "./session.ts";

/** Events of this type, and of this page's run, are counted. */
const TYPE = "lab:number";
const STEP_MS = 500;
/** How long a storm leaves the connection alone, at most. */
const CALM_MS = 2500;

export interface Numbers {
  run: string;
  n: number;
}

export function useLab() {
  const tally = shallowRef(noTally);
  const status = shallowRef<StreamStatus>({ state: "idle" });
  const steps = shallowRef<Step[]>([]);
  const log = shallowRef<Journal>(emptyJournal);
  const faults = reactive<Faults & { token: boolean }>({ offline: false, webSocket: false, eventStream: false, token: false });
  const isRunning = ref(false);
  const isStorming = ref(false);
  const perSecond = ref(10);
  const published = ref(0);
  const harmed = ref(0);
  const gaps = ref(0);
  let run = "";
  let handle: StreamHandle | undefined;
  let timers: ReturnType<typeof setTimeout>[] = [];
  let before = { published: 0, received: 0 };

  // A token of its own, so that it can be spoiled. Renewed as the session is.
  const { link, network, close } = createHarmedLink({
    token: async () => (faults.token ? spoiled(await session.token()) : session.token()),
    refresh: async () => {
      await session.rotate();
      faults.token = false;
      note("good", "The token was renewed");
    },
    credentials: "omit",
  });
  const reader = createClient(TopicService, link);

  function note(tone: Tone, text: string): void {
    log.value = addMark(log.value, tone, text, Date.now());
  }

  function start(topic: string): void {
    stop();
    run = crypto.randomUUID();
    [tally.value, steps.value, log.value] = [noTally, [], emptyJournal];
    published.value = harmed.value = gaps.value = 0;
    before = { published: 0, received: 0 };
    isRunning.value = true;
    const own = reader.subscribe({ topic }).subscribe({
      event(event) {
        const data = event.data as Numbers | undefined;
        if (event.type !== TYPE || data?.run !== run) return;
        tally.value = count(tally.value, data.n);
      },
      gap({ reason }) {
        gaps.value += 1;
        note("bad", `Gap: ${reason}`);
      },
      status(next) {
        if (handle !== own) return;
        const { state, transport, outcome } = status.value;
        status.value = next;
        if (next.state === "live" && (state !== "live" || next.transport !== transport)) {
          note(next.outcome === "GAP" ? "bad" : "good", `${OUTCOMES[next.outcome ?? "FRESH"]} by ${transportWord(next.transport)}`);
          // The first number is published when somebody is there to hear it.
          if (!outcome) void publish(topic, run);
        }
        if (next.state === "failed") {
          note("bad", next.error?.message ?? "The stream failed");
          stop();
        }
      },
    });
    handle = own;
    status.value = own.status;
    timers.push(setInterval(step, STEP_MS));
  }

  /** Each number until it is taken: what is sent again has the key of before, and is not published twice. */
  async function publish(topic: string, mine: string): Promise<void> {
    for (let n = 1; isRunning.value && run === mine; ) {
      const began = performance.now();
      try {
        await topics.publishEvent({ topic, type: TYPE, idempotencyKey: `${mine} ${n}`, data: { run: mine, n } });
        if (run === mine) published.value = n;
        n += 1;
      } catch (thrown) {
        const error = asLastmileError(thrown);
        note("bad", `Publishing: ${error.message}`);
        if (error.final) return pausePublishing();
        await pause(1000);
      }
      await pause(Math.max(0, 1000 / perSecond.value - (performance.now() - began)));
    }
  }

  function step(): void {
    const { received } = tally.value;
    const { state, transport = "" } = status.value;
    const now = { published: published.value, received };
    const grown = { published: now.published - before.published, received: now.received - before.received };
    steps.value = addStep(steps.value, { ...grown, transport, isDown: state !== "live" });
    before = now;
  }

  /** Publishing ends; what is on its way still arrives. */
  function pausePublishing(): void {
    isRunning.value = false;
    setStorm(false);
  }

  function stop(): void {
    pausePublishing();
    timers.forEach(clearInterval);
    timers = [];
    handle?.close();
    handle = undefined;
  }

  function cut(): void {
    harmed.value += 1;
    note("plain", "Cut: everything that was on its way is lost");
    network.cut();
  }

  function set(fault: keyof Faults, isOn: boolean): void {
    faults[fault] = isOn;
    if (isOn) harmed.value += 1;
    note("plain", `${NAMES[fault]} ${isOn ? "blocked" : "lets through again"}`);
    network.set({ [fault]: isOn });
    if (!isOn) tellOnline();
  }

  /** From now on the edge refuses the token that this link has, as it does one that has expired. */
  function spoilToken(): void {
    faults.token = true;
    note("plain", "The token is no good any more");
    harmed.value += 1;
    link.reconnect();
  }

  function setStorm(isOn: boolean): void {
    isStorming.value = isOn;
    if (isOn) blow();
  }

  function blow(): void {
    timers.push(
      setTimeout(() => {
        if (!isStorming.value) return;
        cut();
        blow();
      }, Math.random() * CALM_MS),
    );
  }

  onScopeDispose(() => {
    stop();
    close();
  });

  return { tally, status, steps, log, faults, isRunning, isStorming, perSecond, published, harmed, gaps, start, stop: pausePublishing, cut, set, spoilToken, setStorm };
}

const OUTCOMES: Readonly<Record<Outcome, string>> = { FRESH: "Reading from now on", RESUMED: "Resumed, nothing lost,", GAP: "Not resumed:" };
const NAMES: Readonly<Record<keyof Faults, string>> = { offline: "The network", webSocket: "WebSocket", eventStream: "The event stream" };

/** Its signature is wrong. */
function spoiled(token: string): string {
  const [head = "", claims = "", signature = ""] = token.split(".");
  return [head, claims, [...signature].reverse().join("")].join(".");
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
