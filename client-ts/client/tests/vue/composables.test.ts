// Composables in a scope, without a document: what they show, when they begin, and that they end.
import { createClient, type Link } from "@lastmile/client";
import { createFakeEdge, type FakeEdge } from "@lastmile/client/testing";
import { createLastmile, useBus, useCall, useEventStream, useLink, useLiveQuery, useStream } from "@lastmile/client/vue";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createSSRApp, effectScope, type EffectScope, nextTick, ref, watch } from "vue";
import { TopicService } from "../golden/lastmile/v1/topic.ts";
import { UserService, type User, type WatchUsersResponse } from "../golden/lastmile/v1/user.ts";
import { until } from "../until.ts";

let edge: FakeEdge;
let link: Link;
let scope: EffectScope;
beforeEach(() => {
  edge = createFakeEdge();
  link = edge.link();
  scope = effectScope();
  vi.spyOn(Math, "random").mockReturnValue(0);
  vi.stubGlobal("window", globalThis);
});
afterEach(() => {
  scope.stop();
  link.close();
  vi.unstubAllGlobals();
});

const users = () => createClient(UserService, link);
const deleted = (id: number): WatchUsersResponse => ({ cursor: "", position: false, previous: "", userDeleted: { id } });
const emit = (...ids: number[]): void => ids.forEach((id) => edge.emit(UserService, "watchUsers", deleted(id)));
const open = (count = 1): Promise<void> => until(() => expect(edge.streams).toBe(count));
const user = (id: number, name: string): User => ({ id, name, tags: [], username: name, email: "", role: "user", etag: "" });

test("a stream's newest message, and its end with the scope", async () => {
  const stream = scope.run(() => useStream(users().watchUsers))!;
  expect([stream.data.value, stream.status.value]).toEqual([undefined, "idle"]);
  await open();
  await until(() => expect(stream.status.value).toBe("live"));
  emit(1);
  await until(() => expect(stream.data.value?.userDeleted?.id).toBe(1));
  expect([stream.outcome.value, stream.error.value]).toEqual(["FRESH", undefined]);
  scope.stop();
  await open(0);
});

test("reduces all messages, and shows them once for many", async () => {
  const seen: number[] = [];
  let paints = 0;
  const options = {
    initial: [] as number[],
    reduce: (ids: number[], message: WatchUsersResponse) => [...ids, message.userDeleted!.id],
    event: (message: WatchUsersResponse) => void seen.push(message.userDeleted!.id),
  };
  const stream = scope.run(() => {
    const made = useStream(users().watchUsers, {}, options);
    watch(made.data, () => (paints += 1), { flush: "sync" });
    return made;
  })!;
  await open();
  const ids = Array.from({ length: 100 }, (_, index) => index);
  emit(...ids);
  await until(() => expect(stream.data.value).toEqual(ids));
  expect(seen).toEqual(ids);
  expect(paints).toBeLessThan(20);
});

test("a gap begins the state anew, unless the component knows better", async () => {
  const gaps: string[] = [];
  const reduce = (sum: number, message: WatchUsersResponse): number => sum + message.userDeleted!.id;
  const [plain, told] = scope.run(() => [
    useStream(users().watchUsers, {}, { initial: 0, reduce }),
    useStream(users().watchUsers, {}, { initial: 0, reduce, gap: ({ reason }) => gaps.push(reason) }),
  ])!;
  await open(2);
  emit(5);
  await until(() => expect([plain!.data.value, told!.data.value]).toEqual([5, 5]));
  edge.cut();
  emit(1);
  edge.forget(UserService, "watchUsers");
  await until(() => expect([plain!.data.value, told!.data.value, gaps]).toEqual([0, 5, ["expired"]]));
});

test("another request is another stream; an equal one is not", async () => {
  const [cursor, noise] = [ref("c0"), ref(0)];
  scope.run(() => useStream(users().watchUsers, () => (void noise.value, { cursor: cursor.value })));
  await open();
  noise.value += 1;
  await nextTick();
  expect(edge.requests).toHaveLength(1);
  cursor.value = "c1";
  await until(() => expect(edge.requests).toHaveLength(2));
  await open();
});

test("begins when it is enabled, and when it is told to", async () => {
  const enabled = ref(false);
  scope.run(() => useStream(users().watchUsers, {}, { enabled }));
  const manual = scope.run(() => useStream(users().watchUsers, {}, { immediate: false }))!;
  await nextTick();
  expect(edge.streams).toBe(0);
  enabled.value = true;
  await open(1);
  manual.open();
  await open(2);
  manual.close();
  enabled.value = false;
  await open(0);
  expect(manual.status.value).toBe("closed");
});

test("a failure is told", async () => {
  edge.refuse({ status: 403, problem: { code: "PERMISSION_DENIED", detail: "not you" } });
  const stream = scope.run(() => useStream(users().watchUsers))!;
  await until(() => expect(stream.status.value).toBe("failed"));
  expect(stream.error.value?.message).toBe("not you");
});

test("does nothing on a server", async () => {
  vi.stubGlobal("window", undefined);
  const [stream, call] = scope.run(() => [useStream(users().watchUsers), useCall(users().listUsers)] as const)!;
  await nextTick();
  expect([stream.status.value, call.pending.value, edge.requests]).toEqual(["idle", false, []]);
});

test("a list stays true: read once, then changed from its cursor; read anew after a gap", async () => {
  let [all, cursor] = [[user(1, "Ann"), user(2, "Bob")], "c1"];
  emit(9);
  edge.answer(UserService, "listUsers", () => ({ users: all, nextPageToken: "", cursor }));
  const query = scope.run(() =>
    useLiveQuery({
      list: users().listUsers,
      watch: users().watchUsers,
      apply: (state, { userDeleted }) => ({ ...state, users: state.users.filter(({ id }) => id !== userDeleted?.id) }),
    }),
  )!;
  const names = (): string[] | undefined => query.data.value?.users.map(({ name }) => name);
  await until(() => expect(names()).toEqual(["Ann", "Bob"]));
  await open();
  emit(1);
  await until(() => expect(names()).toEqual(["Bob"]));

  [all, cursor] = [[user(3, "Cid")], "c3"];
  edge.cut();
  emit(2);
  edge.forget(UserService, "watchUsers");
  await until(() => expect(names()).toEqual(["Cid"]));
  expect(edge.requests.filter(({ method }) => method.endsWith("ListUsers"))).toHaveLength(2);
});

test("the stream's rule names what gives the state: no list has to be said", async () => {
  emit(9);
  edge.answer(UserService, "listUsers", () => ({ users: [user(1, "Ann"), user(2, "Bob")], nextPageToken: "", cursor: "c1" }));
  const query = scope.run(() =>
    useLiveQuery({
      watch: users().watchUsers,
      apply: (state, { userDeleted }) => ({ ...state, users: state.users.filter(({ id }) => id !== userDeleted?.id) }),
    }),
  )!;
  const names = (): string[] | undefined => query.data.value?.users.map(({ name }) => name);
  await until(() => expect(names()).toEqual(["Ann", "Bob"]));
  await open();
  expect(edge.requests.find(({ method }) => method.endsWith("WatchUsers"))?.headers.get("last-event-id")).toBe("c1");
  emit(1);
  await until(() => expect(names()).toEqual(["Bob"]));
});

test("a stream without such a rule wants a list", () => {
  const { subscribe } = createClient(TopicService, link);
  const begin = (): unknown => scope.run(() => useLiveQuery({ watch: subscribe, apply: (state) => state }));
  expect(begin).toThrow(/TopicService\/Subscribe names no snapshot/);
});

test("a list that cannot be read fails", async () => {
  edge.refuse({ status: 403, problem: { code: "PERMISSION_DENIED" } });
  const { listUsers: list, watchUsers } = users();
  const query = scope.run(() => useLiveQuery({ list, watch: watchUsers, apply: (state) => state }))!;
  await until(() => expect([query.status.value, query.error.value?.code]).toEqual(["failed", "PERMISSION_DENIED"]));
});

test("a call, again for another request; a late answer is dropped", async () => {
  const id = ref(1);
  let release = (): void => {};
  edge.answer(UserService, "getUser", async ({ id: asked = 0 }) => {
    if (asked === 1) await new Promise<void>((resolve) => (release = resolve));
    if (asked === 3) throw { status: 404, code: "NOT_FOUND" };
    return user(asked, `user ${asked}`);
  });
  const call = scope.run(() => useCall(users().getUser, () => ({ id: id.value })))!;
  expect(call.pending.value).toBe(true);
  id.value = 2;
  await until(() => expect(call.data.value?.name).toBe("user 2"));
  release();
  id.value = 3;
  await until(() => expect(call.error.value?.code).toBe("NOT_FOUND"));
  expect([call.data.value?.name, call.pending.value]).toEqual(["user 2", false]);
});

test("a plain path is a stream too, and a component finds link and bus", async () => {
  const app = createSSRApp({});
  app.use(createLastmile({ link }));
  await app.runWithContext(async () => {
    expect(useLink()).toBe(link);
    const heard: number[] = [];
    const bus = scope.run(() => useBus())!;
    bus.on("user:delete", ({ data }) => heard.push(data.id));
    useBus().emit("user:delete", { id: 1 });
    scope.stop();
    useBus().emit("user:delete", { id: 2 });
    expect(heard).toEqual([1]);
    scope = effectScope();
    const stream = scope.run(() => useEventStream("/lastmile.v1.UserService/WatchUsers"))!;
    await open();
    emit(1);
    await until(() => expect([stream.name.value, stream.data.value]).toEqual(["user:delete", deleted(1)]));
  });
  expect(() => createSSRApp({}).runWithContext(() => useLink())).toThrow("app.use(createLastmile({ link }))");
});
