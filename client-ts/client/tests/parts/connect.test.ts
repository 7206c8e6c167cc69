import { createFileRegistry, type DescService, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { type Client, Code, createClient } from "@connectrpc/connect";
import type { Link } from "@lastmile/client";
import { createLastmileTransport } from "@lastmile/client/connect";
import { createFakeEdge, type FakeEdge } from "@lastmile/client/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { buildDescriptors } from "../generator/descriptors.ts";
import { UserService } from "../golden/lastmile/v1/user.ts";
import { until } from "../until.ts";

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, buildDescriptors()));

let edge: FakeEdge;
let link: Link;
let users: { [name: string]: (input: object) => unknown };
beforeEach(() => {
  edge = createFakeEdge();
  link = edge.link({ token: "secret" });
  const service = registry.getService("lastmile.v1.UserService")!;
  users = createClient(service, createLastmileTransport(link, { registry })) as Client<DescService> as typeof users;
  vi.spyOn(Math, "random").mockReturnValue(0);
});
afterEach(() => link.close());

test("calls go through the link", async () => {
  const user = { id: 7, name: "Ann", tags: [], username: "", email: "", role: "", etag: "" };
  edge.answer(UserService, "getUser", ({ id }) => ({ ...user, id: id! }));
  expect(await users.getUser!({ id: 7 })).toMatchObject({ id: 7, name: "Ann" });
  expect(edge.requests[0]!.headers.get("authorization")).toBe("Bearer secret");
});

test("errors have the codes of Connect", async () => {
  edge.answer(UserService, "getUser", () => {
    throw { status: 404, code: "NOT_FOUND", detail: "no such user" };
  });
  await expect(users.getUser!({ id: 7 })).rejects.toMatchObject({ code: Code.NotFound, rawMessage: "no such user" });
});

test("streams continue after cuts", async () => {
  const ids: number[] = [];
  const reading = (async () => {
    type Change = { change: { value: { id: number } } };
    for await (const { change } of users.watchUsers!({}) as AsyncIterable<Change>) ids.push(change.value.id);
  })();
  const deleted = (id: number) => edge.emit(UserService, "watchUsers", { cursor: "", position: false, previous: "", userDeleted: { id } });
  await until(() => expect(edge.streams).toBe(1));
  deleted(1);
  await until(() => expect(ids).toEqual([1]));
  edge.cut();
  deleted(2);
  await until(() => expect(ids).toEqual([1, 2]));
  edge.end(UserService, "watchUsers");
  await reading;
});
