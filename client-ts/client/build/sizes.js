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
const apps = [{ name: "core", limit: 6000, code: core }];

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
  const sizes = output.map(({ isEntry, fileName, code: chunk }) => ({ isEntry, fileName, size: gzipSync(chunk, { level: 9 }).length }));
  const first = sizes.filter(({ isEntry }) => isEntry).reduce((sum, { size }) => sum + size, 0);
  const later = sizes.filter(({ isEntry }) => !isEntry).map(({ fileName, size }) => `${fileName} ${size} B`);
  return { first, later: later.join(", ") };
}
