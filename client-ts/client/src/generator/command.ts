// `lastmile-client generate SOURCE`: types from a running edge or a descriptor file.
import { parseArgs } from "node:util";
import { readDescriptors } from "./fetch_descriptors.ts";
import { generate } from "./generate.ts";
import { differences, writeFiles } from "./write_files.ts";

const USAGE = `Usage: lastmile-client generate SOURCE [--out FOLDER] [--int64 string|number] [--check]

  SOURCE    URL of a running edge (http://localhost:8080), or a file with a FileDescriptorSet (buf build -o FILE)
  --out     folder to write to (src/api)
  --int64   how 64-bit integers are read: string, or number for an edge with rest.json.int64 = "number"
  --check   writes nothing; fails when the folder is not what SOURCE gives`;

/** Runs the command; the result is the exit code. */
export async function run(argv: string[], say: (line: string) => void): Promise<number> {
  try {
    return await generateInto(read(argv), say);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    return 1;
  }
}

interface Arguments {
  source: string;
  out: string;
  int64: "string" | "number";
  check: boolean;
}

function read(argv: string[]): Arguments {
  const { positionals, values } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      out: { type: "string", default: "src/api" },
      int64: { type: "string", default: "string" },
      check: { type: "boolean", default: false },
    },
  });
  const [command, source] = positionals;
  const { out, int64, check } = values;
  const isRight = command === "generate" && source && positionals.length === 2;
  if (!isRight || (int64 !== "string" && int64 !== "number")) throw new Error(USAGE);
  return { source, out, int64, check };
}

async function generateInto({ source, out, int64, check }: Arguments, say: (line: string) => void): Promise<number> {
  const files = generate(await readDescriptors(source), { int64 });
  if (check) {
    const stale = await differences(out, files);
    for (const name of stale) say(`${out}/${name} is not what ${source} gives: run lastmile-client generate`);
    return stale.length > 0 ? 1 : 0;
  }
  const changed = await writeFiles(out, files);
  say(`${files.size} files in ${out}, ${changed.length} of them changed`);
  return 0;
}
