import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readRpcs, type Rpc } from "./descriptors.ts";

const workspace = join(import.meta.dirname, "../../..");
const folder = mkdtempSync(join(tmpdir(), "lastmile-console-"));
const set = join(folder, "set.binpb");
let rpcs: Rpc[];
beforeAll(() => {
  execFileSync(join(workspace, "node_modules/.bin/buf"), ["build", join(workspace, "../proto"), "-o", set]);
  rpcs = readRpcs(readFileSync(set));
});
afterAll(() => rmSync(folder, { recursive: true }));

const rpc = (name: string) => rpcs.find(({ method }) => method === name);

test.each([
  ["GetIdentity", "lastmile.v1.AuthService", "unary", [["GET", "/api/v1/auth/me", ""]]],
  ["Login", "lastmile.v1.AuthService", "unary", [["POST", "/api/v1/auth/login", "*"], ["POST", "/api/login", "*"]]],
  ["UpdateTopic", "lastmile.v1.TopicService", "unary", [["PATCH", "/api/v1/topics/{topic.name}", "topic"]]],
  ["WatchDocument", "lastmile.v1.DocumentService", "server", [["GET", "/api/v1/documents/{id}:watch", ""]]],
  ["WriteLogs", "lastmile.v1.LogService", "client", [["POST", "/api/v1/logs", "record"]]],
  ["SyncDocument", "lastmile.v1.DocumentService", "bidi", []],
])("%s", (name, service, kind, bindings) => {
  const found = rpc(name);
  expect([found?.service, found?.kind]).toEqual([service, kind]);
  expect(found?.file).toMatch(/^lastmile\/v1\/\w+\.proto$/);
  expect(found?.bindings.map(({ verb, template, body }) => [verb, template, body])).toEqual(bindings);
});

test("the console's own types are what the protos give; LASTMILE_WRITE=1 writes them anew", () => {
  const generate = [join(workspace, "client/dist/cli.js"), "generate", set, "--out", join(workspace, "console/src/api")];
  const more = process.env.LASTMILE_WRITE ? [] : ["--check"];
  execFileSync("node", [...generate, ...more], { stdio: "pipe" });
});
