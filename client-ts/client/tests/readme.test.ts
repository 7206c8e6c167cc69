// The code in the README compiles, as it stands there.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";

const client = join(import.meta.dirname, "..");
const folder = join(client, "tests/readme_examples");

test("every example compiles", { timeout: 120_000 }, () => {
  const text = readFileSync(join(client, "README.md"), "utf8");
  const blocks = [...text.matchAll(/^```(?:ts|vue)\n(?:\/\/|<!--) (\S+?)(?: -->)?\n([^]*?)^```$/gm)];
  expect(blocks.length).toBe([...text.matchAll(/^```(ts|vue)$/gm)].length);
  rmSync(folder, { recursive: true, force: true });
  try {
    cpSync(join(client, "tests/golden"), join(folder, "src/api"), { recursive: true });
    for (const [, name, code] of blocks) {
      mkdirSync(dirname(join(folder, name!)), { recursive: true });
      writeFileSync(join(folder, name!), code!);
    }
    const compilerOptions = { types: ["node"], rootDir: "../.." };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ extends: "../../tsconfig.json", exclude: [], compilerOptions, include: ["src", "*.ts"] }));
    expect(compile()).toBe("");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

function compile(): string {
  try {
    execFileSync(join(client, "../node_modules/.bin/vue-tsc"), ["-p", folder], { stdio: "pipe" });
    return "";
  } catch (error) {
    return String((error as { stdout: Buffer }).stdout);
  }
}
