// Declarations name each other as .ts files, which those who use the package do not have.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const dist = join(import.meta.dirname, "../dist");
for (const name of readdirSync(dist, { recursive: true }).filter((each) => each.endsWith(".d.ts"))) {
  const text = readFileSync(join(dist, name), "utf8");
  writeFileSync(join(dist, name), text.replace(/(from |import\()"(\.{1,2}\/[^"]*)\.ts"/g, '$1"$2.js"'));
}
