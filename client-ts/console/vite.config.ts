// Builds the console into dist/ and, for development, serves it in front of a running edge.
import vue from "@vitejs/plugin-vue";
import type { ProxyOptions } from "vite";
import { defineConfig } from "vitest/config";

// LASTMILE_HTTP is the edge's own listen address ("localhost:8080"), or a URL.
const address = process.env.LASTMILE_HTTP ?? "localhost:8080";

const edge: ProxyOptions = {
  target: address.includes("://") ? address : `http://${address}`,
  // Without this an edge that dies leaves the browser's streams open for ever: vitejs/vite#20712.
  configure: (proxy) => {
    proxy.on("proxyRes", (upstream, _request, response) => {
      upstream.on("close", () => {
        if (!upstream.complete && !response.writableEnded) response.destroy();
      });
    });
  },
};

export default defineConfig({
  plugins: [vue()],
  server: { port: 5173, strictPort: true, proxy: { "/api": edge, "/.well-known": edge, "/openapi.json": edge } },
  build: { target: "es2022", assetsInlineLimit: 0 },
  test: { environment: "node", include: ["src/**/*.test.ts"] },
});
