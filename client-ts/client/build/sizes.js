// What a browser loads first, minified and gzipped: an app that makes one call and opens one stream. Fails when that grows
// above its limit. Beside it, what is loaded when it is needed.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";

const here = import.meta.dirname;
const source = join(here, "../src");
const core = `
  import { createClient, createLink } from "@lastmile/client";
  const UserService = {
    name: "lastmile.v1.UserService",
    methods: {
      listUsers: { name: "ListUsers", kind: "unary", http: ["GET", "/api/v1/users"], safe: true },
      watchUsers: { name: "WatchUsers", kind: "server", http: ["GET", "/api/v1/users:watch"], safe: true, stream: { resume: "cursor", event: { userUpdated: "user:update" } } },
    },
  };
  const link = createLink({ token: () => "token", refresh: async () => {} });
  const users = createClient(UserService, link);
  users.listUsers().then(console.log);
  users.watchUsers().subscribe({ event: console.log, gap: console.warn });
`;
const vue = `
  import { createLastmile, useStream } from "@lastmile/client/vue";
  export const plugin = createLastmile({ link });
  export const setup = () => useStream(users.watchUsers, {}, { reduce: (all, one) => [...all, one], initial: [] });
`;
const pinia = `
  import { createPiniaSync } from "@lastmile/client/pinia";
  export const sync = createPiniaSync({ link });
`;
const apps = [
  { name: "core", limit: 6000, code: core },
  { name: "core + vue", limit: 7000, code: core + vue },
  { name: "core + vue + pinia", limit: 8500, code: core + vue + pinia },
];

const folder = mkdtempSync(join(here, ".sizes-"));
let failed = false;
try {
  for (const { name, limit, code } of apps) {
    const { first, later } = await measure(code);
    failed ||= first > limit;
    console.log(`${name.padEnd(20)} ${first} B of ${limit}${first > limit ? ": too much" : ""}   (later: ${later})`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;

async function measure(code) {
  const entry = join(folder, "app.ts");
  writeFileSync(entry, code);
  const parts = ["vue", "pinia"].map((part) => [`@lastmile/client/${part}`, join(source, part, "index.ts")]);
  const alias = Object.fromEntries([...parts, ["@lastmile/client", join(source, "index.ts")]]);
  const bundle = await rolldown({ input: entry, external: ["vue", "pinia"], resolve: { alias } });
  const { output } = await bundle.generate({ minify: true, chunkFileNames: "[name]" });
  await bundle.close();
  const chunks = new Map(output.map((chunk) => [chunk.fileName, chunk]));
  const needed = new Set();
  const need = (fileName) => {
    if (needed.has(fileName) || !chunks.has(fileName)) return;
    needed.add(fileName);
    chunks.get(fileName).imports.forEach(need);
  };
  output.filter(({ isEntry }) => isEntry).forEach(({ fileName }) => need(fileName));
  const sizeOf = (fileName) => gzipSync(chunks.get(fileName).code, { level: 9 }).length;
  const later = [...chunks.keys()].filter((fileName) => !needed.has(fileName)).map((fileName) => `${fileName} ${sizeOf(fileName)} B`);
  // As one file: how a bundler cuts it is its own affair.
  const whole = [...needed].map((fileName) => chunks.get(fileName).code).join("\n");
  return { first: gzipSync(whole, { level: 9 }).length, later: later.join(", ") };
}
