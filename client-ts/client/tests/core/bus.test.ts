import { createBus, createClient, type Link } from "@lastmile/client";
import { createFakeEdge, type FakeEdge } from "@lastmile/client/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { TopicService } from "../golden/lastmile/v1/topic.ts";
import { UserService } from "../golden/lastmile/v1/user.ts";
import { until } from "../until.ts";

let edge: FakeEdge;
let link: Link;
beforeEach(() => {
  edge = createFakeEdge();
  link = edge.link();
});
afterEach(() => link.close());

test("tells by name, by domain, and of everything", () => {
  const bus = createBus(link);
  const told: string[] = [];
  bus.on("user:delete", ({ data }) => told.push(`one ${data.id}`));
  bus.on("user:*", ({ name }) => told.push(`domain ${name}`));
  bus.on("*", ({ name }) => told.push(`all ${name}`));
  bus.emit("user:delete", { id: 7 });
  bus.emit("log:debug", {} as never);
  expect(told).toEqual(["one 7", "domain user:delete", "all user:delete", "all log:debug"]);
});

test("once is once, and off ends it", () => {
  const bus = createBus<{ a: number; b: number }>(link);
  const told: number[] = [];
  const listener = ({ data }: { data: number }): void => void told.push(data);
  bus.once("a", listener);
  bus.emit("a", 1);
  bus.emit("a", 2);
  const stop = bus.on("a", listener);
  bus.emit("a", 3);
  stop();
  bus.emit("a", 4);
  bus.once("b", listener);
  bus.off("b", listener);
  bus.on("b", listener);
  bus.off("b");
  bus.emit("b", 5);
  expect(told).toEqual([1, 3]);
});

test("follows a stream, by what its oneof carries", async () => {
  const bus = createBus(link);
  const ids: number[] = [];
  const gaps: string[] = [];
  bus.on("user:*", (event) => void (event.name === "user:delete" && ids.push(event.data.id)));
  bus.follow(createClient(UserService, link).watchUsers(), ({ reason }) => gaps.push(reason));
  await until(() => expect(edge.streams).toBe(1));
  edge.emit(UserService, "watchUsers", { cursor: "", position: false, previous: "", userDeleted: { id: 3 } });
  await until(() => expect(ids).toEqual([3]));
  edge.forget(UserService, "watchUsers");
  edge.emit(UserService, "watchUsers", { cursor: "", position: false, previous: "", userDeleted: { id: 4 } });
  await until(() => expect(ids).toEqual([3, 4]));
  expect(gaps).toEqual([]);
});

test("publishes to a topic, and hears it from there", async () => {
  interface Events {
    "news:item": { title: string };
  }
  const bus = createBus<Events>(link);
  const titles: string[] = [];
  bus.on("news:item", ({ data, cursor }) => titles.push(`${data.title} ${cursor}`));
  bus.follow(createClient(TopicService, link).subscribe({ topic: "news" }), () => {});
  await until(() => expect(edge.streams).toBe(1));
  edge.answer(TopicService, "publishEvent", ({ type = "", data }) => {
    const event = { cursor: "c", position: false, previous: "", id: "", topic: "news", publisher: "", traceparent: "" };
    edge.emit(TopicService, "subscribe", { ...event, type, data: data! });
    return { cursor: "c", id: "1" };
  });
  await bus.publish("news", "news:item", { title: "hello" });
  await until(() => expect(titles).toEqual(["hello c1"]));
  expect(edge.requests.at(-1)!.input).toEqual({ topic: "news", type: "news:item", data: { title: "hello" } });
});
