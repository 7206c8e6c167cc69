// Builds dist/: what browsers load (`vite build`), and the tools, which carry their dependencies (`--mode tools`).
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const parts = ["vue", "pinia", "query", "connect", "binary", "worker", "testing"];
const browser = { index: here("src/index.ts"), ...Object.fromEntries(parts.map((part) => [`${part}/index`, here(`src/${part}/index.ts`)])) };
const tools = {
  "vite/index": here("src/vite/index.ts"),
  cli: here("src/generator/cli.ts"),
  "protoc-gen-lastmile": here("src/generator/protoc_gen_lastmile.ts"),
};
const external = [/^node:/, "vue", "pinia", "vite", /^@tanstack\//, /^@connectrpc\//, /^@bufbuild\//, "@lastmile/client"];

const compiler = here("src/generator/no_compiler.ts");
const aliases: { [mode: string]: { find: string | RegExp; replacement: string }[] } = {
  tools: [
    { find: "@typescript/vfs", replacement: compiler },
    { find: "typescript", replacement: compiler },
  ],
  test: [
    { find: /^@lastmile\/client$/, replacement: here("src/index.ts") },
    { find: /^@lastmile\/client\/(.*)$/, replacement: here("src/$1/index.ts") },
  ],
};

export default defineConfig(({ mode }) => {
  const isTools = mode === "tools";
  return {
    resolve: { alias: aliases[mode] ?? [] },
    ...(isTools && { ssr: { noExternal: true as const } }),
    build: {
      target: "es2022",
      emptyOutDir: !isTools,
      minify: false,
      ssr: isTools,
      ...(!isTools && { lib: { entry: browser, formats: ["es"] } }),
      rolldownOptions: {
        ...(isTools && { input: tools }),
        external: isTools ? [/^node:/, "vite"] : external,
        output: { entryFileNames: "[name].js", chunkFileNames: "chunks/[name]-[hash].js" },
      },
    },
    test: { environment: "node", include: ["tests/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000 },
  };
});
