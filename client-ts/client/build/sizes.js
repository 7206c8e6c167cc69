// What a browser loads, minified and gzipped: an app with one service, with a stream and a call of it, and what it uses.
// Fails when that grows above its limit.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";

const here = import.meta.dirname;
const source = join(here, "../src");
const core = `
  import { createClient, createLink } from "@lastmile/client";
  import { UserService } from "${join(here, "../tests/golden/lastmile/v1/user.ts")}";
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
    const size = await measure(name, code);
    failed ||= size > limit;
    console.log(`${name.padEnd(24)} ${String(size).padStart(6)} B of ${limit}${size > limit ? "  too much" : ""}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;

async function measure(name, code) {
  const entry = join(folder, "app.ts");
  writeFileSync(entry, code);
  const bundle = await rolldown({
    input: entry,
    external: ["vue", "pinia"],
    resolve: {
      alias: Object.fromEntries([
        ...["vue", "pinia"].map((part) => [`@lastmile/client/${part}`, join(source, part, "index.ts")]),
        ["@lastmile/client", join(source, "index.ts")],
      ]),
    },
  });
  const { output } = await bundle.write({ dir: join(folder, "dist"), minify: true, entryFileNames: "app.js" });
  await bundle.close();
  return output.filter((chunk) => chunk.isEntry).reduce((sum, chunk) => sum + gzipSync(chunk.code, { level: 9 }).length, 0);
}
