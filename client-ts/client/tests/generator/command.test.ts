import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, expect, test } from "vitest";
import { run } from "../../src/generator/command.ts";
import { fetchDescriptors } from "../../src/generator/fetch_descriptors.ts";
import { buildDescriptors } from "./descriptors.ts";

let descriptors: Uint8Array;
beforeAll(() => {
  descriptors = buildDescriptors();
});
const closing: (() => void)[] = [];
afterEach(() => closing.splice(0).forEach((close) => close()));

async function edge(status: number): Promise<string> {
  const server = createServer((request, response) => {
    const isKnown = request.headers["if-none-match"] === '"one"';
    response.writeHead(isKnown ? 304 : status, { etag: '"one"' }).end(isKnown ? undefined : descriptors);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  closing.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function command(...argv: string[]): Promise<{ code: number; said: string }> {
  const said: string[] = [];
  const code = await run(argv, (line) => said.push(line));
  return { code, said: said.join("\n") };
}

const folder = (): string => mkdtempSync(join(tmpdir(), "lastmile-command-"));

test("generates from a running edge, and checks without writing", async () => {
  const [url, out] = [await edge(200), folder()];
  expect(await command("generate", url, "--out", out)).toEqual({ code: 0, said: `6 files in ${out}, 6 of them changed` });
  expect(await command("generate", url, "--out", out)).toEqual({ code: 0, said: `6 files in ${out}, 0 of them changed` });
  expect((await command("generate", url, "--out", out, "--check")).code).toBe(0);

  const user = join(out, "lastmile/v1/user.ts");
  writeFileSync(user, "// mine\n");
  const check = await command("generate", url, "--out", out, "--check");
  expect(check.code).toBe(1);
  expect(check.said).toContain("lastmile/v1/user.ts is not what");
  expect(readFileSync(user, "utf8")).toBe("// mine\n");
});

test("generates from a file", async () => {
  const out = folder();
  writeFileSync(join(out, "set.binpb"), descriptors);
  expect((await command("generate", join(out, "set.binpb"), "--out", out)).code).toBe(0);
});

test("says what to do when there are no descriptors", async () => {
  expect((await command("generate", await edge(404))).said).toContain("start it with --dev");
  expect((await command("generate", "http://127.0.0.1:9")).said).toContain("is the edge running?");
  expect((await command("generate", "nowhere.binpb")).said).toContain("nowhere.binpb");
});

test("shows how it is used", async () => {
  for (const argv of [[], ["generate"], ["make", "x"], ["generate", "x", "--int64", "bigint"]]) {
    expect(await command(...argv)).toEqual({ code: 1, said: expect.stringContaining("Usage: lastmile-client generate SOURCE") });
  }
});

test("an edge whose schema has not changed sends nothing", async () => {
  const url = await edge(200);
  expect((await fetchDescriptors(url))?.etag).toBe('"one"');
  expect(await fetchDescriptors(url, '"one"')).toBeUndefined();
});
