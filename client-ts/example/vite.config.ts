// Beside `make run`: `npm run dev --workspace example --prefix client-ts`.
import { lastmile } from "@lastmile/client/vite";
import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";

export default defineConfig({ plugins: [vue(), lastmile()] });
