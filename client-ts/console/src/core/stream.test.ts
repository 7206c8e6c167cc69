import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Problem } from "./problem.ts";
import { openStream, type StreamOptions, type StreamState } from "./stream.ts";

/** An EventSource whose server is the test. */
class FakeSource extends EventTarget {
  static all: FakeSource[] = [];
  readonly CLOSED = 2;
  readyState = 0;
  constructor(readonly url: string) {
    super();
    FakeSource.all.push(this);
  }
  close(): void {
    this.readyState = 2;
  }
  send(type: string, data: unknown, lastEventId = ""): void {
    this.dispatchEvent(new MessageEvent(type, { data: JSON.stringify(data), lastEventId }));
  }
  open(outcome: string, reason?: string): void {
    this.send("lm-open", { heartbeatMs: 1000, streams: [{ key: "t", outcome, reason }] });
  }
  break(readyState: number): void {
    this.readyState = readyState;
    this.dispatchEvent(new Event("error"));
  }
}

function start(more: Partial<StreamOptions> = {}) {
  const states: StreamState[] = [];
  const events: unknown[] = [];
  const stream = openStream({
    path: "/t",
    types: ["tick"],
    onEvent: (data) => events.push(data),
    onState: (state) => states.push(state),
    explain: async () => undefined,
    connect: (url) => new FakeSource(url) as unknown as EventSource,
    ...more,
  });
  return { stream, states, events, state: () => states.at(-1), source: () => FakeSource.all.at(-1) as FakeSource };
}

beforeEach(() => {
  FakeSource.all = [];
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("openStream", () => {
  test("states the outcome of each opening and counts reconnects", () => {
    const { source, state } = start();
    expect(state()).toMatchObject({ phase: "connecting", reconnects: 0 });
    source().open("FRESH");
    expect(state()).toMatchObject({ phase: "live", outcome: "FRESH", reconnects: 0 });
    source().break(0);
    expect(state()?.phase).toBe("waiting");
    source().open("GAP", "expired");
    expect(state()).toMatchObject({ phase: "live", outcome: "GAP", reason: "expired", reconnects: 1 });
    source().open("RESUMED");
    expect(state()).not.toHaveProperty("reason");
  });

  test("continues a cut connection after the last event", () => {
    const { stream, source, events } = start({ cursor: "raw" });
    expect(source().url).toBe("/t?heartbeat=event&cursor=raw");
    source().send("tick", { n: 1 }, "lm1.x.7");
    const first = source();
    stream.cut();
    expect(source().url).toBe("/t?heartbeat=event&cursor=lm1.x.7");
    first.send("tick", { n: 2 }, "lm1.x.8");
    expect(events).toEqual([{ n: 1 }]);
  });

  test("begins without a cursor after a gap", () => {
    const { stream, source } = start({ cursor: "old" });
    source().open("GAP");
    stream.cut();
    expect(source().url).toBe("/t?heartbeat=event");
  });

  test("connects anew when heartbeats stay away", () => {
    const { source } = start();
    source().open("FRESH");
    vi.advanceTimersByTime(1900);
    source().send("lm-heartbeat", {}, "lm1.x.7");
    vi.advanceTimersByTime(1900);
    expect(FakeSource.all).toHaveLength(1);
    vi.advanceTimersByTime(200);
    expect(FakeSource.all).toHaveLength(2);
    expect(source().url).toContain("cursor=lm1.x.7");
  });

  test("tells of events that nobody listens for, once", () => {
    const onMissed = vi.fn();
    const { source, stream, events } = start({ cursor: "7", onMissed });
    source().send("lm-heartbeat", {}, "lm1.x.7");
    source().send("other", { n: 8 }, "lm1.x.8");
    expect(onMissed).toHaveBeenCalledTimes(0);
    source().send("lm-heartbeat", {}, "lm1.x.8");
    source().send("lm-heartbeat", {}, "lm1.x.8");
    expect(onMissed).toHaveBeenCalledTimes(1);
    stream.listen("other");
    source().send("other", { n: 9 }, "lm1.x.9");
    expect(events).toEqual([{ n: 9 }]);
  });

  test("stays down with the reason when the edge refuses for good", async () => {
    const { source, state } = start({ explain: async () => new Problem({ detail: "no such topic" }, 404) });
    source().break(2);
    await vi.runAllTimersAsync();
    expect(state()).toMatchObject({ phase: "failed", problem: { detail: "no such topic" } });
    expect(FakeSource.all).toHaveLength(1);
  });

  test("comes back by itself when the edge was only away", async () => {
    const { source, state } = start({ explain: async () => new Problem({}, 503) });
    source().break(2);
    await vi.advanceTimersByTimeAsync(600);
    expect(FakeSource.all).toHaveLength(2);
    expect(state()?.problem?.status).toBe(503);
    source().open("FRESH");
    expect(state()).not.toHaveProperty("problem");
  });

  test("renews the session when the edge closes for want of one", async () => {
    const renew = vi.fn(async () => undefined);
    const { source } = start({ renew });
    source().open("FRESH");
    source().send("lm-close", { reason: "token_expired" });
    await vi.advanceTimersByTimeAsync(600);
    expect(renew).toHaveBeenCalledTimes(1);
    expect(FakeSource.all).toHaveLength(2);
  });

  test("does not come back after the end", async () => {
    const { source, state } = start();
    source().open("FRESH");
    source().send("lm-end", {}, "lm1.end");
    source().break(2);
    await vi.runAllTimersAsync();
    expect(state()?.phase).toBe("ended");
    expect(FakeSource.all).toHaveLength(1);
  });
});
