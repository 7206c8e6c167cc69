/** The Vite plugin: requests of the page reach the edge, types follow its schema, and hot reloads keep streams open. */
import { existsSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { resolve } from "node:path";
import type { Plugin, PreviewServer, ViteDevServer } from "vite";
import { forward, forwardUpgrade } from "./forward.ts";
import { keepLinks } from "./keep_link.ts";
import { ownRoutes } from "./routes.ts";
import { followSchema } from "./schema.ts";

export interface LastmileViteOptions {
  /** The edge's URL: `http://localhost:8080`, or the variable LASTMILE_EDGE. */
  edge?: string;
  /** Where generated types are written: `src/api`. False: they are made in another way. */
  out?: string | false;
  /** `number` for edges with `rest.json.int64 = "number"`. */
  int64?: "string" | "number";
}

export function lastmile(options: LastmileViteOptions = {}): Plugin {
  const address = options.edge ?? process.env.LASTMILE_EDGE ?? "http://localhost:8080";
  const edge = new URL(address);
  let out: string | false = false;
  let routes = ownRoutes;
  let stop = (): void => {};
  /** What generated files held at run time before they were written: a change of types alone reloads nothing. */
  const before = new Map<string, string>();

  /** A link that is followed is the page's own affair: an app has routes that look like an API's. */
  function isForEdge({ url = "/", method = "GET", headers }: IncomingMessage): boolean {
    const [path = "/"] = url.split("?");
    // Browsers say so where they trust the address; elsewhere only a link asks for HTML.
    const isLink = headers["sec-fetch-mode"] ? headers["sec-fetch-mode"] === "navigate" : headers.accept?.includes("text/html");
    return !isLink && routes(method, path);
  }

  function serve({ middlewares, httpServer, config: { logger } }: ViteDevServer | PreviewServer): void {
    middlewares.use((request: IncomingMessage, response: ServerResponse, next: () => void) => {
      if (isForEdge(request)) forward(edge, request, response);
      else next();
    });
    httpServer?.on("upgrade", (request: IncomingMessage, socket, head: Buffer) => {
      if (request.url?.split("?")[0] === "/ws") forwardUpgrade(edge, request, socket, head);
    });
    stop = followSchema({
      edge: address,
      out,
      ...(options.int64 && { int64: options.int64 }),
      say: (line, isTrouble) => (isTrouble ? logger.warn : logger.info)(`[lastmile] ${line}`, { timestamp: true }),
      writing: (names) => names.forEach((name) => before.set(name, runtimeOf(name))),
      routes: (found) => (routes = found),
    });
    httpServer?.on("close", () => stop());
  }

  return {
    name: "lastmile",
    configResolved({ root }) {
      out = options.out === false ? false : resolve(root, options.out ?? "src/api");
    },
    configureServer(server) {
      serve(server);
    },
    configurePreviewServer(server) {
      // What is built is built: nothing would read new types.
      out = false;
      serve(server);
    },
    closeBundle: () => stop(),
    transform: {
      filter: { id: { exclude: /\/node_modules\// }, code: /\bcreateLink\s*\(/ },
      handler(code, _, hook) {
        if (this.environment.mode !== "dev" || hook?.ssr) return;
        const changed = keepLinks(code, (text) => this.parse(text));
        return changed === undefined ? undefined : { code: changed, map: null };
      },
    },
    hotUpdate({ file, modules }) {
      if (!before.has(file)) return;
      const isSame = before.get(file) === runtimeOf(file);
      before.delete(file);
      return isSame ? [] : modules;
    },
  };
}

/** The tables of a generated file: its types are erased. */
function runtimeOf(file: string): string {
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  return [...text.matchAll(/^export const [^]*?^} as const;$/gm)].join("\n").replace(/\/\*\*[^]*?\*\//g, "");
}
