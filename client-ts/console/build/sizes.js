// What a browser loads when it opens the console, gzipped: the frame, the live page, and the session that carries its stream.
// Fails above the limit. Beside it, what each other page adds when it is looked at.
import { gzipSync } from "node:zlib";
import { build } from "vite";

const LIMIT = 90_000;

const { output } = await build({ logLevel: "error", build: { write: false } });
const files = new Map(output.map((file) => [file.fileName, file]));
const sizeOf = (fileName) => gzipSync(files.get(fileName).code ?? files.get(fileName).source, { level: 9 }).length;

/** A file, what it imports, and the styles of both. */
function needed(fileName, found = new Set()) {
  if (found.has(fileName) || !files.has(fileName)) return found;
  found.add(fileName);
  const { imports = [], viteMetadata } = files.get(fileName);
  for (const style of viteMetadata?.importedCss ?? []) found.add(style);
  for (const each of imports) needed(each, found);
  return found;
}

const chunk = (part) => output.find(({ facadeModuleId, name }) => facadeModuleId?.endsWith(part) || name === part)?.fileName;
const entry = output.find(({ isEntry }) => isEntry).fileName;
const session = output.find(({ fileName }) => /\/session-/.test(fileName))?.fileName;
if (!session) throw new Error("The chunk of the session is not found: has the client renamed it?");

const first = needed(entry);
needed(session, first);
first.add("index.html");
const total = [...first].reduce((sum, fileName) => sum + sizeOf(fileName), 0);
console.log(`console, first load   ${total} B of ${LIMIT}${total > LIMIT ? ": too much" : ""}`);
for (const page of ["BoardPage", "UsersPage", "LabPage", "MetricsPage", "ApiPage", "LineChart"]) {
  const more = [...needed(chunk(`${page}.vue`))].filter((fileName) => !first.has(fileName));
  console.log(`  ${page.padEnd(20)}+ ${more.reduce((sum, fileName) => sum + sizeOf(fileName), 0)} B`);
}
process.exitCode = total > LIMIT ? 1 : 0;
