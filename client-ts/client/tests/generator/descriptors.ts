// The descriptors of the core's own protos and of a file that has everything, as buf compiles them.
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const client = join(import.meta.dirname, "../..");
const buf = join(client, "../node_modules/.bin/buf");

export function buildDescriptors(): Uint8Array {
  return inModule((folder) => {
    execFileSync(buf, ["build", "-o", join(folder, "set.binpb"), folder]);
    return readFileSync(join(folder, "set.binpb"));
  });
}

/** Runs in a folder with all protos: the modules of a buf workspace cannot lie beside it. */
export function inModule<T>(run: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "lastmile-protos-"));
  try {
    for (const protos of [join(client, "../../proto"), join(client, "tests/protos")]) {
      cpSync(protos, folder, { recursive: true, filter: (path) => !/\/(src|Cargo\.toml|build\.rs)$/.test(path) });
    }
    return run(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
