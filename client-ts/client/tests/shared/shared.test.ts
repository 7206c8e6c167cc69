// Tabs that share a session: who asks whom, and what becomes of calls when somebody else sits there.
import { createClient, type Link, type LinkOptions, type StreamHandle } from "@lastmile/client";
import { createFakeEdge } from "@lastmile/client/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { DocumentService } from "../golden/lastmile/v1/document.ts";
import { UserService } from "../golden/lastmile/v1/user.ts";
import { Peer } from "../session/peer.ts";
import { until } from "../until.ts";
import { startWorker } from "./tabs.ts";

let peer: Peer;
let open: (options?: LinkOptions) => Link;
const links: Link[] = [];
beforeEach(() => {
  peer = new Peer();
  vi.spyOn(Math, "random").mockReturnValue(0);
  const start = startWorker(createFakeEdge(), peer);
  open = (options) => (links.push(start(options)), links.at(-1)!);
});
afterEach(() => {
  for (const link of links.splice(0)) link.close();
  vi.unstubAllGlobals();
});

const jwt = (sub: string, number = 1): string => `x.${btoa(JSON.stringify({ iss: "test", sub, number }))}.x`;
const tokens = (): string[] => peer.open.map(({ session }) => session?.token ?? "");

async function watch(link: Link): Promise<StreamHandle> {
  const handle = createClient(UserService, link).watchUsers().subscribe({ event: () => {}, gap: () => {} });
  await until(() => expect(handle.status.state).toBe("live"));
  return handle;
}

/** Makes a call in both directions, and notes how it ends. */
async function sync(link: Link): Promise<{ ended: string }> {
  const call = createClient(DocumentService, link).syncDocument();
  await call.send({ id: "1" } as never);
  const answers = call[Symbol.asyncIterator]();
  await answers.next();
  const outcome = { ended: "" };
  answers.next().then(
    () => (outcome.ended = "well"),
    (error: { reason: string }) => (outcome.ended = error.reason),
  );
  return outcome;
}

test("tabs of one caller have one session", async () => {
  const [one, two] = [open({ token: jwt("alice") }), open({ token: jwt("alice", 2) })];
  await Promise.all([watch(one), watch(two)]);
  expect(peer.sockets).toHaveLength(1);
});

test("a call in both directions that is cut since somebody else sits there has not ended well", async () => {
  let token = jwt("alice");
  const link = open({ token: () => token });
  const call = await sync(link);
  token = jwt("bob");
  link.reconnect();
  await until(() => expect(call.ended).toBe("session_unknown"));
});

test("a tab that connects anew as the same caller cuts nobody else", async () => {
  const [one, two] = [open({ token: jwt("alice") }), open({ token: jwt("alice") })];
  const [call, other] = [await sync(one), await sync(two)];
  const handle = await watch(one);
  one.reconnect();
  await until(() => expect(call.ended).toBe("session_unknown"));
  await until(() => expect(handle.status.state).toBe("live"));
  expect(other.ended).toBe("");
  expect(peer.sockets).toHaveLength(1);
});

test("a tab where somebody else sits by now does not speak for the one before, and gets a session of its own", async () => {
  let token = jwt("alice");
  const [one, two] = [open({ token: jwt("alice", 2) }), open({ token: () => token })];
  await watch(one);
  const handle = await watch(two);
  // The newest tab is asked first.
  token = jwt("bob");
  peer.cut();
  await until(() => expect(tokens().toSorted()).toEqual([jwt("alice", 2), jwt("bob")].toSorted()));
  await until(() => expect(handle.status.state).toBe("live"));
});

test("a token that tells of nobody may be renewed, and the session goes on", async () => {
  let token = "one";
  const link = open({ token: () => token, refresh: async () => void (token = "two") });
  const handle = await watch(link);
  peer.open[0]!.write({ authExpiring: { expiresMs: 5000 } });
  await until(() => expect(tokens()).toEqual(["two"]));
  peer.cut();
  await until(() => expect(peer.sockets).toHaveLength(2));
  await until(() => expect(handle.status.state).toBe("live"));
  expect(peer.sessions.size).toBe(1);
});

test("where a cookie says who calls, connecting anew begins a new session", async () => {
  const link = open();
  const handle = await watch(link);
  link.reconnect();
  await until(() => expect(peer.sockets).toHaveLength(2));
  await until(() => expect(handle.status.state).toBe("live"));
});
