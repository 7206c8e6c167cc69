// Follows the edge's schema while the development server runs: types and routes are those of the edge that is there.
import { join, relative } from "node:path";
import { type Descriptors, fetchDescriptors } from "../generator/fetch_descriptors.ts";
import { generate, type GenerateOptions } from "../generator/generate.ts";
import { writeFiles } from "../generator/write_files.ts";
import { type Routes, routesOf } from "./routes.ts";

const EVERY_MS = 1000;

export interface SchemaOptions extends GenerateOptions {
  edge: string;
  /** Where types are written; nothing is written when it is false. */
  out: string | false;
  say(line: string, isTrouble: boolean): void;
  /** These files will be written. */
  writing(files: string[]): void;
  routes(routes: Routes): void;
}

/** Looks now and every second; the result ends it. */
export function followSchema({ edge, out, int64, say, writing, routes }: SchemaOptions): () => void {
  let etag = "";
  let trouble = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isOver = false;

  async function look(): Promise<void> {
    try {
      const found = await fetchDescriptors(edge, etag);
      trouble = "";
      if (found && !isOver) await take(found);
    } catch (error) {
      const { message } = error as Error;
      // Once, and not every second.
      if (message !== trouble) say(`${message} The types that are there are used until then.`, true);
      trouble = message;
    }
    if (!isOver) timer = setTimeout(look, EVERY_MS);
    timer?.unref();
  }

  async function take({ bytes, etag: tag }: Descriptors): Promise<void> {
    routes(routesOf(bytes));
    if (out) {
      const files = generate(bytes, int64 ? { int64 } : {});
      writing([...files.keys()].map((name) => join(out, name)));
      const changed = await writeFiles(out, files);
      if (changed.length > 0) say(`${relative(process.cwd(), out)}: ${changed.join(", ")}`, false);
    }
    etag = tag;
  }

  void look();
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}
