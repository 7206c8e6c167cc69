// Builds the console into dist/ and, for development, serves it in front of a running edge.
import { lastmile } from "@lastmile/client/vite";
import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vitest/config";

// LASTMILE_HTTP is the edge's own listen address ("localhost:8080"), or a URL.
const address = process.env.LASTMILE_HTTP ?? "localhost:8080";
const edge = address.includes("://") ? address : `http://${address}`;

export default defineConfig({
  // Types are committed, and compared with the protos by a test.
  plugins: [vue(), lastmile({ edge, out: false })],
  server: { port: 5173, strictPort: true },
  // These know light-dark(); what is made of it for older ones follows the system, and not the reader's choice.
  build: { target: "es2022", cssTarget: ["chrome123", "firefox120", "safari17.5"], assetsInlineLimit: 0 },
  test: { environment: "node", include: ["src/**/*.test.ts"] },
});
