// Messages in protobuf: over a session, by HTTP, and as JSON where a transport has nothing else.
import { create, createFileRegistry, fromBinary, fromJson, type JsonValue, toBinary, toJson } from "@bufbuild/protobuf";
import { base64Encode } from "@bufbuild/protobuf/wire";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { type BidiCall, createLink, type Link, type LinkOptions, type StreamCall } from "@lastmile/client";
import { createBinaryClient } from "@lastmile/client/binary";
import { createFakeEdge, type FakeEdge } from "@lastmile/client/testing";
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { buildDescriptors } from "../generator/descriptors.ts";
import { UserService, type WatchUsersResponse } from "../golden/lastmile/v1/user.ts";
import { Peer } from "../session/peer.ts";
import { until } from "../until.ts";

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, buildDescriptors()));
const service = registry.getService("lastmile.v1.UserService")!;
const changes = registry.getMessage("lastmile.v1.WatchUsersResponse")!;
const user = registry.getMessage("lastmile.v1.User")!;

type Dynamic = { [name: string]: (input?: object, options?: object) => unknown };

let edge: FakeEdge;
let peer: Peer;
let link: Link;
beforeEach(() => {
  edge = createFakeEdge();
  peer = new Peer();
  peer.encode = (json) => base64Encode(toBinary(changes, fromJson(changes, json as JsonValue)));
  vi.spyOn(Math, "random").mockReturnValue(0);
});
afterEach(() => link.close());

function client(options: LinkOptions = {}): Dynamic {
  const both = { baseUrl: "http://edge.test", fetch: peer.fetch(edge.fetch), WebSocket: peer.Socket, bindings: false };
  link = createLink({ ...both, ...options });
  return createBinaryClient(service, link, { registry }) as unknown as Dynamic;
}

const deleted = (id: number): WatchUsersResponse => ({ cursor: "", position: false, previous: "", userDeleted: { id } });

function watch(users: Dynamic): { ids: number[]; state(): string } {
  const ids: number[] = [];
  const handle = (users.watchUsers!() as StreamCall<{ frame: unknown }>).subscribe({
    event: (message) => {
      const { userDeleted } = toJson(changes, message as never) as { userDeleted: { id: number } };
      ids.push(userDeleted.id);
    },
    gap: () => ids.push(-1),
  });
  return { ids, state: () => handle.status.state };
}

test("a stream of the session comes in protobuf, and survives cuts", async () => {
  const { ids, state } = watch(client());
  await until(() => expect(state()).toBe("live"));
  expect(peer.applied[0]).toMatchObject({ open: { encoding: "ENCODING_PROTO", proto: "" } });
  for (let id = 1; id <= 3; id += 1) {
    peer.emit(deleted(id));
    await until(() => expect(ids).toHaveLength(id));
    peer.cut();
  }
  expect(ids).toEqual([1, 2, 3]);
});

test("a message that cannot be decoded is a gap, and the stream goes on", async () => {
  const { encode } = peer;
  const { ids, state } = watch(client());
  await until(() => expect(state()).toBe("live"));
  peer.encode = () => base64Encode(new Uint8Array([0xff]));
  peer.emit(deleted(1));
  await until(() => expect(ids).toEqual([-1]));
  peer.encode = encode;
  peer.emit(deleted(2));
  await until(() => expect(ids).toEqual([-1, 2]));
});

test("a message that cannot be decoded ends a call in both directions, here and at the edge", async () => {
  client();
  const call = createBinaryClient(registry.getService("lastmile.v1.DocumentService")!, link) as unknown as Dynamic;
  const { send, [Symbol.asyncIterator]: read } = call.syncDocument!() as BidiCall<object, unknown>;
  await send({});
  const reading = read().next();
  await until(() => expect(peer.applied).toHaveLength(2));
  peer.open[0]!.write({ message: { call: 1, proto: base64Encode(new Uint8Array([0xff])) } });
  // The echo of what was sent.
  await reading;
  await expect(read().next()).rejects.toMatchObject({ code: "DATA_LOSS", reason: "undecodable" });
  await until(() => expect(peer.applied.at(-1)).toEqual({ cancel: { call: 1 } }));
});

test("a stream that is a request of its own comes as JSON, and is the same message", async () => {
  const { ids, state } = watch(client({ transports: ["sse"] }));
  await until(() => expect(state()).toBe("live"));
  edge.emit(UserService, "watchUsers", deleted(1));
  await until(() => expect(ids).toEqual([1]));
});

test("calls with one answer are protobuf by HTTP", async () => {
  const seen: { body: unknown; headers: Headers }[] = [];
  const answer = toBinary(user, create(user, { id: 7, name: "Ann" } as never));
  const users = client({
    fetch: async (_, init = {}) => {
      seen.push({ body: init.body, headers: new Headers(init.headers) });
      return new Response(answer as Uint8Array<ArrayBuffer>, { headers: { "content-type": "application/x-protobuf" } });
    },
  });
  expect(await users.getUser!({ id: 7 })).toMatchObject({ id: 7, name: "Ann" });
  expect(seen[0]!.body).toEqual(new Uint8Array([8, 7]));
  expect(seen[0]!.headers.get("content-type")).toBe("application/x-protobuf");
});

test("says what is missing when @bufbuild/protobuf is not installed", () => {
  const folder = mkdtempSync(join(tmpdir(), "lastmile-binary-"));
  try {
    cpSync(join(import.meta.dirname, "../../dist"), folder, { recursive: true });
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    const load = (): unknown => execFileSync(process.execPath, ["-e", 'import("./binary/index.js")'], { cwd: folder, stdio: "pipe" });
    expect(load).toThrow(/Cannot find package '@bufbuild\/protobuf'/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
